# Writes the public declarations of the rows of elementwise.def: C macros cannot define macros.
BEGIN {
    print "/* elementwise_api.h - the functions of elementwise.def, one per row; made from it by elementwise_api.awk."
    print " * In every row x, a, b and c may be tensors; where two operands are named, one may be a number. */"
    print "#ifndef GR_ELEMENTWISE_API_H\n#define GR_ELEMENTWISE_API_H\n#include \"core/base.h\"\n\nGR_BEGIN_C\n"
}
/^\/\*.*\*\/$/ { doc = $0 }
/^(UNARY|PREDICATE|BINARY|COMPARE|TERNARY)/ {
    kind = $0; sub(/ *\(.*/, "", kind)
    text = $0; sub(/^[A-Z]+ *\( */, "", text)
    name = text; sub(/,.*/, "", name)
    sub(/^[a-z0-9_]+, */, "", text)
    parameters = (text ~ /^P[12]\(/) ? text : ""
    if (doc != "") print doc
    doc = ""
    if (kind == "UNARY" || kind == "PREDICATE") {
        if (parameters != "") options(name, parameters)
        else declare(name, "gr_tensor *x", "x", "x", kind == "UNARY")
    } else if (kind == "TERNARY")
        declare(name, "gr_value a, gr_value b, gr_value c", "a, b, c", "GR_VALUE(a), GR_VALUE(b), GR_VALUE(c)", 0)
    else {
        declare(name, "gr_value a, gr_value b", "a, b", "GR_VALUE(a), GR_VALUE(b)", 0)
        if (kind == "BINARY") in_place(name)
    }
}
function declare(name, types, names, values, changes) {
    print "GR_API gr_tensor *gr_" name "_at(" types ", gr_site site);"
    macros = macros "#define gr_" name "(" names ") gr_" name "_at(" values ", GR_HERE)\n"
    if (!changes) return
    print "GR_API gr_tensor *gr_" name "__at(" types ", gr_site site);"
    macros = macros "#define gr_" name "_(" names ") gr_" name "__at(" values ", GR_HERE)\n"
}
function in_place(name) {
    print "GR_API gr_tensor *gr_" name "__at(gr_tensor *a, gr_value b, gr_site site);"
    macros = macros "#define gr_" name "_(a, b) gr_" name "__at(a, GR_VALUE(b), GR_HERE)\n"
}
function options(name, parameters,    part, n, i, fields, defaults) {
    sub(/^P[12]\(/, "", parameters); sub(/\).*/, "", parameters)
    n = split(parameters, part, / *, */)
    for (i = 1; i < n; i += 2) {
        fields = fields "    double " part[i] " GR_DEFAULT(" part[i + 1] ");\n"
        if (!(part[i] in named)) names = names part[i] " = 0, "
        named[part[i]] = 1
        defaults = defaults "." part[i] " = " part[i + 1] ", "
    }
    print "typedef struct gr_" name "_args {\n    gr_tensor *x;\n    gr_site site;\n" fields "} gr_" name "_args;"
    print "GR_API gr_tensor *gr_" name "_at(const gr_" name "_args *args);"
    print "GR_API gr_tensor *gr_" name "__at(const gr_" name "_args *args);"
    macros = macros "#define gr_" name "(...) GR_CALL(gr_" name "_at, gr_" name "_args, " defaults ".site = GR_HERE, .x = __VA_ARGS__)\n"
    macros = macros "#define gr_" name "_(...) GR_CALL(gr_" name "__at, gr_" name "_args, " defaults ".site = GR_HERE, .x = __VA_ARGS__)\n"
}
END { print "\nGR_END_C\n\n#ifndef __cplusplus\n" macros "#endif"
    print "#ifdef GR_ROW_PARAMETERS\nenum { " names "};\n#endif\n#endif"
}
