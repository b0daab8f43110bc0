/* test_csv.c - gr_read_csv: the forms it reads, in every dtype. */
#include <locale.h>

#include "tests/csv_file.h"

START_TEST(lines_end_in_any_usual_way)
{
    ASSERT_READS("1,2\n3,4\n", 2, 2, 1, 2, 3, 4);
    ASSERT_READS("1,2\n3,4", 2, 2, 1, 2, 3, 4);
    ASSERT_READS("1,2\r\n3,4\r\n", 2, 2, 1, 2, 3, 4);
    ASSERT_READS("1,2\r\n3,4", 2, 2, 1, 2, 3, 4);
    ASSERT_READS("1,2\n3,4\r\n", 2, 2, 1, 2, 3, 4);
    ASSERT_READS("7", 1, 1, 7);
    ASSERT_READS("\n\n1\n \t \n\r\n2\n\n  ", 2, 1, 1, 2);
    ASSERT_READS("\xef\xbb\xbf"
                 "1,2\n",
                 1, 2, 1, 2);
}
END_TEST

START_TEST(numbers_are_decimal_in_all_its_forms)
{
    ASSERT_READS("1.5,-2,+3,.5,5.,-0,1e3,1E-3,2.5e+2\n", 1, 9, 1.5, -2, 3, .5, 5, -0.0, 1000, .001,
                 250);
    ASSERT_READS(" 1 ,\t2\t,  3.5  \n", 1, 3, 1, 2, 3.5);
    ASSERT_READS("0.1,1e-320,5e-324,1e-400,1.7976931348623157e308\n", 1, 5, 0.1, 1e-320, 5e-324, 0,
                 0x1.fffffffffffffp1023);
    ASSERT_READS("9007199254740993,123456789012345678901234567890\n", 1, 2, 9007199254740992.,
                 123456789012345678901234567890.);
    ASSERT_READS("00012,1e00000000000000000000002,0e99999999999999999999\n", 1, 3, 12, 100, 0);
}
END_TEST

START_TEST(fields_may_stand_in_quotes)
{
    ASSERT_READS("\"1.5\",2\n3,\" 4 \"\n", 2, 2, 1.5, 2, 3, 4);
    ASSERT_READS(" \"1\" , \"2\" \r\n\"3\",\"4\"", 2, 2, 1, 2, 3, 4);
    write_text("\"a, \"\"b\"\"\",\"line\nbreak\r\nand more\"\n1,2\n");
    assert_table(gr_read_csv(path, .skip_header = true), 1, 2, (double[]){1, 2});
    write_text("\"1,5\"\n");
    ASSERT_REFUSED(":1:1: field is \"1,5\"; must be a number", .skip_header = false);
    write_text("1\n\"2\n\"\n");
    ASSERT_REFUSED(":2:1: field is \"2\\n\"; must be a number", .skip_header = false);
}
END_TEST

START_TEST(options_are_heeded)
{
    write_text("\nsepal \"5\" width;name\n1;2\n3;4\n");
    assert_table(gr_read_csv(path, .skip_header = true, .delimiter = ';'), 2, 2,
                 (double[]){1, 2, 3, 4});
    write_text("1\t2\n \t3\n");
    ASSERT_REFUSED(":2:1: field is \"\"; must be a number", .delimiter = '\t');
    write_text("1 2\n3 4\n");
    assert_table(gr_read_csv(path, .delimiter = ' '), 2, 2, (double[]){1, 2, 3, 4});
    write_text("nan,-inf,+Infinity,NaN,INF\n");
    assert_table(gr_read_csv(path, .allow_nonfinite = true), 1, 5,
                 (double[]){nan(""), -HUGE_VAL, HUGE_VAL, nan(""), HUGE_VAL});
    ASSERT_REFUSED(":1:1: field is \"nan\"; must be finite: .allow_nonfinite = true",
                   .skip_header = false);
    write_text("1e999\n");
    ASSERT_REFUSED(":1:1: field is \"1e999\"; must be within the range of float64",
                   .dtype = GR_FLOAT64);
}
END_TEST

START_TEST(dtype_is_the_default_or_the_one_asked_for)
{
    write_text("1\n");
    ck_assert_int_eq(gr_dtype_of(gr_read_csv(path)), GR_FLOAT32);
    gr_set_default_dtype(GR_FLOAT64);
    ck_assert_int_eq(gr_dtype_of(gr_read_csv(path)), GR_FLOAT64);
    gr_set_default_dtype(GR_FLOAT32);
    const gr_dtype asked[] = {GR_FLOAT32, GR_FLOAT64, GR_INT64, GR_INT32, GR_UINT8, GR_BOOL};
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        gr_tensor *t = gr_read_csv(path, .dtype = asked[i]);
        ck_assert_int_eq(gr_dtype_of(t), asked[i]);
        ck_assert(gr_item(t) == 1);
    }
}
END_TEST

START_TEST(float32_is_rounded_once)
{
    /* just above the middle of 1 and the next float32; through a double it would round to 1 */
    write_text("1.00000005960464477540,3.4028235e38,1e-45\n");
    assert_table(gr_read_csv(path), 1, 3, (double[]){0x1.000002p0, 0x1.fffffep127, 0x1p-149});
    write_text("3.5e38\n");
    ASSERT_REFUSED(":1:1: field is \"3.5e38\"; must be within the range of float32",
                   .dtype = GR_FLOAT32);
}
END_TEST

START_TEST(bfloat16_is_rounded_to_even_and_in_range)
{
    /* halfway between two: 1 + 2^-8, 1 + 3 2^-8; the largest, and what rounds to it; half of the smallest */
    write_text("1.00390625,1.01171875,3.3895314e38,3.39e38,-1e-45,9.183549615799121e-41\n");
    gr_tensor *t = gr_read_csv(path, .dtype = GR_BFLOAT16);
    assert_table(t, 1, 6, (double[]){1, 0x1.04p0, 0x1.fep127, 0x1.fep127, -0.0, 0x1p-133});
    ck_assert_int_eq(gr_dtype_of(t), GR_BFLOAT16);
    write_text("nan,-inf\n");
    assert_table(gr_read_csv(path, .dtype = GR_BFLOAT16, .allow_nonfinite = true), 1, 2, (double[]){nan(""), -HUGE_VAL});
    write_text("1,3.4e38\n");
    ASSERT_REFUSED(":1:3: field is \"3.4e38\"; must be within the range of bfloat16", .dtype = GR_BFLOAT16);
}
END_TEST

START_TEST(integers_are_exact_and_in_range)
{
    int64_t value[6];
    write_text("9223372036854775807,-9223372036854775808,9007199254740993,-0,12.50e1,"
               "922337203685477580700e-2\n");
    ck_assert(gr_to_array(gr_read_csv(path, .dtype = GR_INT64), value, 6));
    const int64_t must[] = {INT64_MAX, INT64_MIN, 9007199254740993, 0, 125, INT64_MAX};
    for (int i = 0; i < 6; i++) ck_assert_int_eq(value[i], must[i]);

    static const struct {
        const char *text, *after;
        gr_dtype dtype;
    } refused[] = {
        {"9223372036854775808", "an integer from -9223372036854775808 to 9223372036854775807",
         GR_INT64},
        {"-9223372036854775809", "an integer from -9223372036854775808 to 9223372036854775807",
         GR_INT64},
        {"18446744073709551616", "an integer from -9223372036854775808 to 9223372036854775807",
         GR_INT64}, /* 2^64 */
        {"-99999999999999999999999", "an integer from -9223372036854775808 to 9223372036854775807",
         GR_INT64},
        {"1e19", "an integer from -9223372036854775808 to 9223372036854775807", GR_INT64},
        {"1e99999999999999999999", "an integer from -9223372036854775808 to 9223372036854775807",
         GR_INT64},
        {"1.5", "an integer from -2147483648 to 2147483647", GR_INT32},
        {"1e-1", "an integer from -2147483648 to 2147483647", GR_INT32},
        {"2147483648", "an integer from -2147483648 to 2147483647", GR_INT32},
        {"-2147483649", "an integer from -2147483648 to 2147483647", GR_INT32},
        {"nan", "an integer from -2147483648 to 2147483647", GR_INT32},
        {"-1", "an integer from 0 to 255", GR_UINT8},
        {"256", "an integer from 0 to 255", GR_UINT8},
        {"2", "0 or 1", GR_BOOL},
        {"true", "a number", GR_BOOL}};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char after[160];
        write_text(refused[i].text);
        snprintf(after, sizeof after, ":1:1: field is \"%s\"; must be %s", refused[i].text,
                 refused[i].after);
        ASSERT_REFUSED(after, .dtype = refused[i].dtype, .allow_nonfinite = true);
    }
    write_text("-0,0e5,255,25.5e1\n");
    assert_table(gr_read_csv(path, .dtype = GR_UINT8), 1, 4, (double[]){0, 0, 255, 255});
}
END_TEST

START_TEST(locale_is_of_no_account)
{
    if (!use_comma("locale_is_of_no_account")) return;
    write_text("1.5,2.25\n");
    assert_table(gr_read_csv(path), 1, 2, (double[]){1.5, 2.25});
    ck_assert(strtod("0,5", NULL) == 0.5); /* the program's own locale is untouched */
    setlocale(LC_ALL, "C");
}
END_TEST

START_TEST(long_files_are_read_whole)
{
    enum { ROWS = 20000 };
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    for (int i = 0; i < ROWS; i++) fprintf(file, "%d,\"%d\",%d.25\r\n", i, -i, i);
    fclose(file);
    gr_tensor *t = gr_read_csv(path, .dtype = GR_FLOAT64);
    ck_assert_int_eq(gr_size(t, 0), ROWS);
    for (int i = 0; i < ROWS; i++)
        ck_assert(gr_at(t, i, 0) == i && gr_at(t, i, 1) == -i && gr_at(t, i, 2) == i + 0.25);
}
END_TEST

Suite *csv_suite(void)
{
    const TTest *const tests[] = {lines_end_in_any_usual_way,
                                  numbers_are_decimal_in_all_its_forms,
                                  fields_may_stand_in_quotes,
                                  options_are_heeded,
                                  dtype_is_the_default_or_the_one_asked_for,
                                  float32_is_rounded_once,
                                  bfloat16_is_rounded_to_even_and_in_range,
                                  integers_are_exact_and_in_range,
                                  locale_is_of_no_account,
                                  long_files_are_read_whole};
    Suite *suite = suite_create("csv");
    TCase *group = tcase_create("csv");
    tcase_add_checked_fixture(group, set_up, tear_down);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) tcase_add_test(group, tests[i]);
    suite_add_tcase(suite, group);
    return suite;
}
