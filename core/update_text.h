/* update_text.h - the words of update.def's rules: NUMBERS(a, b) names number[0] and number[1]; EACH_STATE(DO, a, b) is
 * DO(a, 0) DO(b, 1). A name that is not given is empty; what DO makes of it stands in WHERE_NAMED. No include guard. */

/* Text that stands only where `name` is not empty: COMMA () is a comma, COMMA name () is not. */
#define WHERE_NAMED(name, ...) PASTE(WHERE_, NAMED(COMMA name() NO, YES, , ))(__VA_ARGS__)
#define NAMED(...) SECOND(__VA_ARGS__)
#define SECOND(a, b, ...) b
#define COMMA(...) ,
#define PASTE(a, b) PASTE_(a, b)
#define PASTE_(a, b) a##b
#define WHERE_YES(...) __VA_ARGS__
#define WHERE_NO(...)

/* Up to eight numbers. */
#define NUMBERS(...) NUMBERS_(__VA_ARGS__, , , , , , , , , )
#define NUMBERS_(a, b, c, d, e, f, g, h, ...) \
    NUMBER(a, 0) NUMBER(b, 1) NUMBER(c, 2) NUMBER(d, 3) NUMBER(e, 4) NUMBER(f, 5) NUMBER(g, 6) NUMBER(h, 7)
#define NUMBER(name, i) WHERE_NAMED(name, const double name = number[i]; (void)name;)

/* Up to GR_UPDATE_STATES states. */
#define EACH_STATE(DO, ...) EACH_STATE_(DO, __VA_ARGS__, , , , , )
#define EACH_STATE_(DO, a, b, c, d, ...) DO(a, 0) DO(b, 1) DO(c, 2) DO(d, 3)

#define R(number) ((real)(number))
