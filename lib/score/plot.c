/* plot.c -- a score as one SVG: confusion matrix, reliability diagram, precision and recall. */
#include "score/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    WIDTH = 600, /* of the picture, and 1 unit is 1 pixel where it is not scaled: text stays readable on a phone */
    GUTTER = 130, RIGHT = 584, /* names are left of GUTTER, drawings between the two */
    NUMBERED = 20, DRAWN = 200, /* classes */
    NAME = 14,                  /* characters of a name that are shown */
};

/* What stands in the SVG. After the first error nothing is added. */
struct svg {
    struct rn_buffer body;
    struct rn_err *err;
    int rc;
    double y; /* where the next part begins */
};

static void put(struct svg *svg, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct svg *svg, const char *format, ...)
{
    char *text;
    va_list args;
    if (svg->rc)
        return;
    va_start(args, format);
    int length = rn_vformat(&text, svg->err, format, args);
    va_end(args);
    svg->rc = length < 0 ? -1 : rn_buffer_add(&svg->body, text, (size_t)length, svg->err);
    free(text);
}

/* At most `most` characters of the name (the last then an ellipsis). */
static void put_name(struct svg *svg, struct rn_text name, size_t most)
{
    struct rn_text shown = name;
    size_t characters = 0, end = 0;
    for (size_t i = 0; i < name.length; i++) {
        if ((name.data[i] & 0xc0) == 0x80)
            continue;
        if (++characters == most)
            end = i;
    }
    if (characters > most)
        shown.length = end;
    if (svg->rc == 0)
        svg->rc = rn_text_escape(&svg->body, shown, RN_ESCAPE_XML, svg->err);
    if (characters > most)
        put(svg, "\u2026");
}

static void put_title(struct svg *svg, const char *title, const char *note)
{
    put(svg, "<text class=\"h\" x=\"16\" y=\"%.1f\">%s</text>\n", svg->y + 18, title);
    put(svg, "<text class=\"m\" x=\"16\" y=\"%.1f\">%s</text>\n", svg->y + 38, note);
    svg->y += 52;
}

/* Colours by class, and media queries over them: programs that know neither draw the light picture. */
static const char style[] =
    "<style>\n"
    "svg{color-scheme:light dark;max-width:100%;height:auto}\n"
    "text{font:14px system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;fill:#1b1f24}\n"
    ".h{font-size:18px;font-weight:600}.m,.t{fill:#57606a}.t{font-size:12px}.e{text-anchor:end}.c{text-anchor:middle}.w{fill:#fff}\n"
    ".p{fill:#fff}.g{stroke:#d0d7de;fill:none}.d{stroke:#57606a;stroke-dasharray:4 4;fill:none}\n"
    ".a{fill:#1f6feb}.b{fill:#d4622a}.k{fill:#1b1f24}.s{stroke:#1b1f24;fill:none}\n"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.m,.t{fill:#9aa4ae}.w{fill:#fff}.p{fill:#0d1117}.g{stroke:#30363d}"
    ".d{stroke:#9aa4ae}.a{fill:#388bfd}.b{fill:#e8793f}.k{fill:#e6edf3}.s{stroke:#e6edf3}}\n"
    "</style>\n";

/* ---- the confusion matrix ---- */

static void put_cell(struct svg *svg, const struct rn_report *report, size_t i, size_t k, double x, double y, double side)
{
    uint64_t n = report->tally->confusion[i * report->tally->capacity + k], all = report->score->support[i];
    double share = all ? (double)n / (double)all : 0;
    bool numbered = report->score->classes <= NUMBERED;
    if (!n && !numbered)
        return;
    if (n) {
        put(svg, "<rect class=\"%s\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill-opacity=\"%.3f\"><title>",
            i == k ? "a" : "b", x, y, side, side, 0.12 + 0.88 * share);
        put_name(svg, report->classes->item[i], 80);
        put(svg, " taken for ");
        put_name(svg, report->classes->item[k], 80);
        put(svg, ": %llu of %llu</title></rect>\n", (unsigned long long)n, (unsigned long long)all);
    }
    if (numbered)
        put(svg, "<text class=\"c%s\" x=\"%.2f\" y=\"%.2f\">%llu</text>\n", share > 0.5 ? " w" : n ? "" : " m", x + side / 2,
            y + side / 2 + 5, (unsigned long long)n);
}

static void put_matrix(struct svg *svg, const struct rn_report *report)
{
    const size_t C = report->score->classes;
    put_title(svg, "Confusion matrix", "rows: the true class · columns: what was predicted · colour: share of the row");
    if (C > DRAWN) {
        put(svg, "<text x=\"16\" y=\"%.1f\">Too many to draw: %zu classes.</text>\n", svg->y + 16, C);
        svg->y += 48;
        return;
    }
    double side = (double)(RIGHT - GUTTER) / (double)(C ? C : 1);
    side = side > 64 ? 64 : side;
    bool named = side >= 12;
    double top = svg->y + (named ? 72 : 8), size = side * (double)C;
    for (size_t i = 0; i < C && named; i++) {
        double middle = side * ((double)i + 0.5);
        put(svg, "<text class=\"e t\" x=\"%d\" y=\"%.2f\">", GUTTER - 8, top + middle + 4);
        put_name(svg, report->classes->item[i], NAME);
        put(svg, "</text>\n<text class=\"t\" transform=\"translate(%.2f %.2f) rotate(-40)\">", GUTTER + middle - 4, top - 8);
        put_name(svg, report->classes->item[i], NAME);
        put(svg, "</text>\n");
    }
    for (size_t i = 0; i < C; i++)
        for (size_t k = 0; k < C; k++)
            put_cell(svg, report, i, k, GUTTER + side * (double)k, top + side * (double)i, side);
    put(svg, "<rect class=\"g\" x=\"%d\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"/>\n", GUTTER, top, size, size);
    for (size_t i = 1; i < C && C <= NUMBERED; i++)
        put(svg, "<path class=\"g\" d=\"M%d %.2fh%.2fM%.2f %.2fv%.2f\"/>\n", GUTTER, top + side * (double)i, size,
            GUTTER + side * (double)i, top, size);
    svg->y = top + size + 32;
}

/* ---- the reliability diagram ---- */

static void put_reliability(struct svg *svg, const struct rn_report *report)
{
    enum { SIDE = 360, COUNTS = 56 };
    char note[128];
    uint64_t most = 1;
    snprintf(note, sizeof note, "bars: how often it was right · dots: how sure it was · ECE %.4f", report->score->ece);
    put_title(svg, "Reliability", note);
    const double x0 = GUTTER, y0 = svg->y + 8 + SIDE, bin = (double)SIDE / RN_SCORE_BINS;
    for (int i = 0; i <= 4; i++) {
        double at = SIDE * i / 4.0;
        put(svg, "<path class=\"g\" d=\"M%.2f %.2fh%d\"/>\n<text class=\"t e\" x=\"%.2f\" y=\"%.2f\">%d %%</text>\n", x0, y0 - at,
            SIDE, x0 - 8, y0 - at + 4, 25 * i);
        put(svg, "<text class=\"t c\" x=\"%.2f\" y=\"%.2f\">%d %%</text>\n", x0 + at, y0 + COUNTS + 26, 25 * i);
    }
    for (size_t k = 0; k < RN_SCORE_BINS; k++)
        most = report->tally->bin[k].n > most ? report->tally->bin[k].n : most;
    for (size_t k = 0; k < RN_SCORE_BINS; k++) {
        double n = (double)report->tally->bin[k].n, x = x0 + bin * (double)k;
        if (!(n > 0))
            continue;
        double right = (double)report->tally->bin[k].right / n, sure = report->tally->bin[k].confidence / n;
        double count = COUNTS * n / (double)most;
        put(svg, "<g><title>%.0f predictions: %.1f %% right, %.1f %% sure</title>\n", n, 100 * right, 100 * sure);
        put(svg, "<rect class=\"a\" fill-opacity=\".75\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"/>\n", x + 1,
            y0 - SIDE * right, bin - 2, SIDE * right);
        put(svg, "<rect class=\"k\" fill-opacity=\".35\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"/>\n", x + 1, y0 + 8,
            bin - 2, count);
        put(svg, "<circle class=\"b\" cx=\"%.2f\" cy=\"%.2f\" r=\"5\"/></g>\n", x0 + SIDE * sure, y0 - SIDE * sure);
    }
    put(svg, "<path class=\"d\" d=\"M%.2f %.2fl%d -%d\"/>\n", x0, y0, SIDE, SIDE);
    put(svg, "<text class=\"t e\" x=\"%.2f\" y=\"%.2f\">how many</text>\n", x0 - 8, y0 + 8 + COUNTS / 2.0);
    put(svg, "<text class=\"t c\" x=\"%.2f\" y=\"%.2f\">confidence</text>\n", x0 + SIDE / 2.0, y0 + COUNTS + 44);
    svg->y = y0 + COUNTS + 76;
}

/* ---- precision and recall ---- */

static void put_bar(struct svg *svg, const char *colour, double y, double height, double value)
{
    enum { LONGEST = RIGHT - GUTTER - 60 };
    put(svg, "<rect class=\"%s\" x=\"%d\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"/>\n", colour, GUTTER, y, LONGEST * value,
        height);
    put(svg, "<text class=\"t\" x=\"%.2f\" y=\"%.2f\">%.1f %%</text>\n", GUTTER + 8 + LONGEST * value, y + height / 2 + 4,
        100 * value);
}

static void put_classes(struct svg *svg, const struct rn_report *report)
{
    const struct rn_score *score = report->score;
    put_title(svg, "Each class", "of what was given this name, so much is right · of what has it, so much was found");
    put(svg, "<rect class=\"a\" x=\"%d\" y=\"%.1f\" width=\"12\" height=\"12\"/><text x=\"%d\" y=\"%.1f\">precision</text>\n",
        GUTTER, svg->y, GUTTER + 20, svg->y + 11);
    put(svg, "<rect class=\"b\" x=\"%d\" y=\"%.1f\" width=\"12\" height=\"12\"/><text x=\"%d\" y=\"%.1f\">recall</text>\n",
        GUTTER + 110, svg->y, GUTTER + 130, svg->y + 11);
    svg->y += 28;
    for (size_t i = 0; i < score->classes && score->classes <= DRAWN; i++, svg->y += 44) {
        put(svg, "<text class=\"e\" x=\"%d\" y=\"%.2f\">", GUTTER - 8, svg->y + 14);
        put_name(svg, report->classes->item[i], NAME);
        put(svg, "</text>\n<text class=\"t e\" x=\"%d\" y=\"%.2f\">%llu</text>\n", GUTTER - 8, svg->y + 30,
            (unsigned long long)score->support[i]);
        put_bar(svg, "a", svg->y, 16, score->precision[i]);
        put_bar(svg, "b", svg->y + 18, 16, score->recall[i]);
    }
    if (score->classes > DRAWN) {
        put(svg, "<text x=\"16\" y=\"%.1f\">Too many to draw: %zu classes.</text>\n", svg->y + 16, score->classes);
        svg->y += 48;
    }
}

int rn_report_plot(struct rn_out *out, const struct rn_report *report, struct rn_err *err)
{
    const struct rn_score *score = report->score;
    struct svg svg = { .err = err, .y = 72 };
    put(&svg, "<text class=\"h\" x=\"16\" y=\"30\">Acc@1 %.2f %%</text>\n", score->acc1);
    put(&svg, "<text class=\"m\" x=\"16\" y=\"52\">95 %%: %.2f to %.2f · %llu predictions, %llu errors · log loss %.4f</text>\n",
        score->acc1_interval[0], score->acc1_interval[1], (unsigned long long)score->n, (unsigned long long)report->errors,
        score->log_loss);
    put_matrix(&svg, report);
    put_reliability(&svg, report);
    put_classes(&svg, report);
    const double height = svg.y + 12;
    int rc = svg.rc;
    if (rc == 0)
        rc = rn_out_printf(out, err, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %.0f\" width=\"%d\" "
                                     "height=\"%.0f\" role=\"img\">\n<title>Acc@1 %.2f %% of %llu predictions</title>\n%s"
                           "<rect class=\"p\" width=\"%d\" height=\"%.0f\"/>\n", WIDTH, height, WIDTH, height, score->acc1,
                           (unsigned long long)score->n, style, WIDTH, height);
    if (rc == 0 && (rc = rn_out_write(out, svg.body.data, svg.body.length, err)) == 0)
        rc = rn_out_printf(out, err, "</svg>\n");
    rn_buffer_free(&svg.body);
    return rc;
}
