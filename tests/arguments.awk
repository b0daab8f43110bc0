# The arguments of the exported functions, from the preprocessed public header: lines "symbol argument type". Options that
# are handed over in a struct are arguments too.
{ text = text " " $0 }
END {
    gsub(/[ \t]+/, " ", text)
    while (match(text, /__attribute__ ?\(\(visibility\("default"\)\)\)/))
        text = substr(text, 1, RSTART - 1) "EXPORTED" substr(text, RSTART + RLENGTH)
    gsub(/__attribute__ ?\(\(format\([^)]*\)\)\)/, "", text)
    for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        depth += c == "{" ? 1 : c == "}" ? -1 : 0
        if (c == "}" && !depth && statement ~ /\) \{/) { statement = ""; continue } # the end of an inline function
        if (c == ";" && !depth) { declaration(statement); statement = "" }
        else statement = statement c
    }
}
function declaration(s,    name, body, n, member, i) {
    if (s ~ /typedef struct[^{]*\{/) {
        body = s; sub(/^[^{]*\{/, "", body); sub(/\}[^}]*$/, "", body)
        name = s; sub(/.*\} */, "", name)
        n = split(body, member, ";")
        for (i = 1; i <= n; i++) members(name, member[i])
    } else if (s ~ /EXPORTED/ && s ~ /\(/) parameters(s)
}
# "double lr , momentum" and "gr_tensor *values, *indices"
function members(structure, m,    type, part, n, i, name) {
    sub(/^ /, "", m)
    if (m == "" || m ~ /\{/ || m ~ /\(\*/) return
    n = split(m, part, ",")
    type = part[1]; sub(/[A-Za-z_0-9]+ *$/, "", type)
    for (i = 1; i <= n; i++) {
        name = part[i]; sub(/ *$/, "", name)
        structures[structure] = structures[structure] clean(type (i > 1 && name ~ /\*/ ? "*" : "")) "|" last(name) "\n"
        if (i == 1) sub(/\*.*/, "", type)
    }
}
function last(s) { sub(/ *$/, "", s); sub(/.*[^A-Za-z_0-9]/, "", s); return s }
function clean(s) { gsub(/const /, "", s); gsub(/ *\*/, "*", s); gsub(/^ +| +$/, "", s); return s }
function parameters(s,    symbol, list, i, c, depth, one) {
    symbol = s; sub(/\(.*/, "", symbol); symbol = last(symbol)
    list = substr(s, index(s, "(") + 1); sub(/\) *$/, "", list)
    for (i = 1; i <= length(list); i++) {
        c = substr(list, i, 1)
        depth += c == "(" ? 1 : c == ")" ? -1 : 0
        if (c == "," && !depth) { parameter(symbol, one); one = "" } else one = one c
    }
    parameter(symbol, one)
}
function parameter(symbol, p,    type, name, line, n, i, part) {
    sub(/^ /, "", p)
    if (p == "" || p == "void" || p == "...") { print symbol, "-", "none"; return }
    if (p ~ /\(\*/) { name = p; sub(/.*\(\* */, "", name); sub(/\).*/, "", name); print symbol, name, "function*"; return }
    type = sub(/\[[^]]*\]/, "", p) ? "*" : ""
    name = last(p)
    sub(/[A-Za-z_0-9]+ *$/, "", p)
    type = clean(p type)
    if (type ~ /_args\*$/) {
        sub(/\*$/, "", type)
        n = split(structures[type], line, "\n")
        for (i = 1; i < n; i++) { split(line[i], part, "|"); print symbol, part[2], part[1] }
    } else print symbol, name, type
}
