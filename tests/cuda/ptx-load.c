/* ptx-load.c -- PTX text to decoded instructions. Anything that it does not know ends the loading with the line. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ptx-code.h"

enum { NAME = 192, STATEMENT = 4096, SHARED_GAP = 16 };

struct registers { /* .reg .b32 %r<10>: count 10; .reg .pred p: count 0 */
    char prefix[NAME];
    size_t count, width;
    uint32_t offset;
};

struct symbol {
    char name[NAME];
    enum space space;
    uint64_t value;
    bool dynamic; /* extern shared: its place is behind all others */
    const struct ptx_kernel *placed; /* a shared variable of the module has a place in each kernel that uses it */
    size_t bytes, align;             /* of such a one */
};

struct label {
    char name[NAME];
    int at;
    int *targets; /* a .branchtargets list, which a brx names; owned by the table's instruction */
};

struct fixup {
    int *where;
    char name[NAME];
    int line;
};

struct loader {
    const char *at;
    int line, source;
    struct ptx_fault *fault;
    jmp_buf failed;
    struct ptx_module *module;
    struct ptx_kernel *kernel;
    struct registers *registers;
    size_t register_sets, register_capacity;
    struct symbol *symbol;
    size_t symbols, symbol_capacity;
    struct label *label;
    size_t labels, label_capacity;
    struct fixup *fixup;
    size_t fixups, fixup_capacity;
    size_t code_capacity, constant_capacity, kernel_capacity, variable_capacity, shared_variables;
    bool dynamic_used, loaded;
};

static void fail(struct loader *l, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));
static void fail(struct loader *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = snprintf(l->fault->text, sizeof l->fault->text, "PTX line %d: ", l->line);
    vsnprintf(l->fault->text + length, sizeof l->fault->text - length, format, args);
    va_end(args);
    longjmp(l->failed, 1);
}

/* Room for one more element. */
static void *more(struct loader *l, void *list, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return list;
    *room = *room ? 2 * *room : 16;
    list = realloc(list, *room * size);
    if (!list)
        fail(l, "out of memory");
    memset((char *)list + count * size, 0, (*room - count) * size);
    return list;
}

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* ---- text ---- */

static void skip_space(struct loader *l)
{
    for (;; l->at++) {
        if (*l->at == '\n')
            l->line++;
        else if (!isspace((unsigned char)*l->at))
            return;
    }
}

static bool starts(const char *text, const char *with)
{
    return !strncmp(text, with, strlen(with));
}

static bool in_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || c == '%';
}

static void word(struct loader *l, char out[NAME])
{
    size_t n = 0;
    skip_space(l);
    while (in_word(l->at[n]))
        n++;
    if (n == 0 || n >= NAME)
        fail(l, "a name is expected at '%.20s'", l->at);
    memcpy(out, l->at, n);
    out[n] = 0;
    l->at += n;
}

/* A word with its dots: ".visible", "ld.global.f32". */
static void dotted(struct loader *l, char out[NAME])
{
    size_t n = 0;
    skip_space(l);
    while (in_word(l->at[n]) || l->at[n] == '.' || l->at[n] == ':')
        n++;
    if (n == 0 || n >= NAME)
        fail(l, "a directive is expected at '%.20s'", l->at);
    memcpy(out, l->at, n);
    out[n] = 0;
    l->at += n;
}

static bool take(struct loader *l, char c)
{
    skip_space(l);
    if (*l->at != c)
        return false;
    l->at++;
    return true;
}

static void need(struct loader *l, char c)
{
    if (!take(l, c))
        fail(l, "'%c' is expected at '%.20s'", c, l->at);
}

static long long integer(struct loader *l)
{
    char *end;
    skip_space(l);
    long long value = *l->at == '-' ? strtoll(l->at, &end, 0) : (long long)strtoull(l->at, &end, 0);
    if (end == l->at)
        fail(l, "a number is expected at '%.20s'", l->at);
    l->at = *end == 'U' ? end + 1 : end;
    return value;
}

static void rest_of_line(struct loader *l)
{
    l->at += strcspn(l->at, "\n");
}

/* Comments become spaces; line breaks stay. */
static void strip_comments(char *text)
{
    for (char *c = text; *c; c++) {
        bool block = starts(c, "/*");
        if (!block && !starts(c, "//"))
            continue;
        char *end = block ? strstr(c, "*/") : c + strcspn(c, "\n");
        end = !end ? c + strlen(c) : block ? end + 2 : end;
        for (; c < end; c++)
            if (*c != '\n')
                *c = ' ';
        c--;
    }
}

/* ---- types, symbols, registers ---- */

struct type {
    uint8_t bytes;
    bool is_signed, is_float;
};

static bool type_of(const char *name, struct type *type)
{
    static const struct { const char *name; struct type type; } all[] = {
        { "b8", { 1 } },  { "u8", { 1 } },  { "s8", { 1, true } },  { "b16", { 2 } }, { "u16", { 2 } }, { "s16", { 2, true } },
        { "b32", { 4 } }, { "u32", { 4 } }, { "s32", { 4, true } }, { "b64", { 8 } }, { "u64", { 8 } }, { "s64", { 8, true } },
        { "f32", { 4, true, true } },       { "f64", { 8, true, true } },             { "pred", { 4 } },
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!strcmp(all[i].name, name)) {
            *type = all[i].type;
            return true;
        }
    return false;
}

static struct symbol *find_symbol(struct loader *l, const char *name)
{
    for (size_t i = l->symbols; i-- > 0;)
        if (!strcmp(l->symbol[i].name, name))
            return &l->symbol[i];
    return NULL;
}

static struct symbol *add_symbol(struct loader *l, const char *name, enum space space, uint64_t value)
{
    l->symbol = more(l, l->symbol, l->symbols, &l->symbol_capacity, sizeof *l->symbol);
    struct symbol *symbol = &l->symbol[l->symbols++];
    snprintf(symbol->name, sizeof symbol->name, "%s", name);
    symbol->space = space;
    symbol->value = value;
    symbol->dynamic = false;
    symbol->placed = NULL;
    symbol->bytes = symbol->align = 0;
    return symbol;
}

/* Variables lie apart, so that an index past the end of one does not reach the next. */
static uint64_t place_shared(struct loader *l, size_t bytes, size_t align)
{
    struct ptx_kernel *k = l->kernel;
    if (l->dynamic_used)
        fail(l, "a shared variable after the first use of the dynamic one");
    size_t at = round_up(k->shared_bytes + (k->shared_bytes ? SHARED_GAP : 0), align > 16 ? align : 16);
    uint8_t *owner = realloc(k->shared_owner, at + bytes + 1);
    if (!owner || l->shared_variables == 254)
        fail(l, "too many shared variables");
    memset(owner + k->shared_bytes, 0, at - k->shared_bytes);
    memset(owner + at, (int)++l->shared_variables, bytes);
    k->shared_owner = owner;
    k->shared_bytes = at + bytes;
    return at;
}

static uint64_t dynamic_shared(struct loader *l)
{
    l->dynamic_used = l->kernel->dynamic_shared = true;
    return round_up(l->kernel->shared_bytes + (l->kernel->shared_bytes ? SHARED_GAP : 0), 16);
}

static uint64_t value_of(struct loader *l, struct symbol *symbol)
{
    if (symbol->bytes && symbol->placed != l->kernel) {
        symbol->value = place_shared(l, symbol->bytes, symbol->align);
        symbol->placed = l->kernel;
    }
    return symbol->dynamic ? dynamic_shared(l) : symbol->value;
}

static uint32_t reserve(struct loader *l, size_t width)
{
    uint32_t offset = (uint32_t)l->kernel->register_bytes;
    l->kernel->register_bytes += width * LANES;
    return offset;
}

static void declare_registers(struct loader *l)
{
    char kind[NAME];
    struct type type;
    dotted(l, kind);
    if (!type_of(kind + 1, &type))
        fail(l, "registers of type %s", kind);
    do {
        l->registers = more(l, l->registers, l->register_sets, &l->register_capacity, sizeof *l->registers);
        struct registers *set = &l->registers[l->register_sets++];
        *set = (struct registers){ .width = type.bytes == 8 ? 8 : 4, .offset = (uint32_t)l->kernel->register_bytes };
        word(l, set->prefix);
        if (take(l, '<')) {
            set->count = (size_t)integer(l);
            need(l, '>');
        }
        l->kernel->register_bytes += set->width * LANES * (set->count ? set->count : 1);
    } while (take(l, ','));
    need(l, ';');
}

static bool find_register(struct loader *l, const char *name, struct operand *o)
{
    for (size_t i = l->register_sets; i-- > 0;) {
        const struct registers *set = &l->registers[i];
        size_t n = strlen(set->prefix), index = 0;
        if (strncmp(name, set->prefix, n) != 0)
            continue;
        if (set->count) {
            if (!name[n] || strspn(name + n, "0123456789") != strlen(name + n) ||
                (index = strtoul(name + n, NULL, 10)) >= set->count)
                continue;
        } else if (name[n]) {
            continue;
        }
        *o = (struct operand){ BANK_REGISTERS, (uint8_t)set->width, false, set->offset + (uint32_t)(index * set->width * LANES) };
        return true;
    }
    return false;
}

static bool find_special(const char *name, struct operand *o)
{
    static const char *const names[] = {
        "%tid.x", "%tid.y", "%tid.z", "%ntid.x", "%ntid.y", "%ntid.z", "%ctaid.x", "%ctaid.y", "%ctaid.z", "%nctaid.x",
        "%nctaid.y", "%nctaid.z", "%laneid", "%warpid", "%lanemask_eq", "%lanemask_le", "%lanemask_lt", "%lanemask_ge",
        "%lanemask_gt",
    };
    for (uint32_t i = 0; i < SPECIALS; i++)
        if (!strcmp(names[i], name)) {
            *o = (struct operand){ BANK_SPECIALS, 4, false, i * LANES * 4 };
            return true;
        }
    return false;
}

static struct operand constant(struct loader *l, uint64_t value, size_t width)
{
    struct ptx_kernel *k = l->kernel;
    struct operand o = { BANK_CONSTANTS, (uint8_t)width, false, (uint32_t)k->constant_bytes };
    if (k->constant_bytes + width * LANES > l->constant_capacity) {
        l->constant_capacity = 2 * l->constant_capacity + 4096;
        if (!(k->constants = realloc(k->constants, l->constant_capacity)))
            fail(l, "out of memory");
    }
    for (size_t lane = 0; lane < LANES; lane++)
        memcpy(k->constants + k->constant_bytes + lane * width, &value, width);
    k->constant_bytes += width * LANES;
    return o;
}

/* ---- operands ---- */

static bool number(const char *text, uint64_t *value)
{
    char *end;
    if (text[0] == '0' && strchr("fFdD", text[1]) && text[1])
        *value = strtoull(text + 2, &end, 16);
    else if (text[0] == '-')
        *value = (uint64_t)strtoll(text, &end, 0);
    else if (isdigit((unsigned char)text[0]))
        *value = strtoull(text, &end, 0);
    else
        return false;
    return !*end || !strcmp(end, "U");
}

/* width: what the operation reads in each lane; 0: whatever the register has. */
static struct operand operand(struct loader *l, const char *text, size_t width)
{
    struct operand o;
    uint64_t value;
    bool negated = *text == '!';
    text += negated;
    if (!strcmp(text, "_")) {
        size_t room = width ? width : 8;
        return (struct operand){ BANK_REGISTERS, (uint8_t)room, false, reserve(l, room) };
    }
    if (!find_register(l, text, &o) && !find_special(text, &o)) {
        struct symbol *symbol = find_symbol(l, text);
        if (symbol)
            value = value_of(l, symbol) + (symbol->space == SPACE_PARAM ? param_window : 0);
        else if (!strcmp(text, "WARP_SZ"))
            value = LANES;
        else if (!number(text, &value))
            fail(l, "unknown operand '%s'", text);
        return constant(l, value, width ? width : 8);
    }
    if (width && o.width != width)
        fail(l, "'%s' has %d bytes a lane, %zu are expected", text, o.width, width);
    o.negated = negated;
    return o;
}

/* "[%rd1+8]" to a base and an offset. */
static struct operand address(struct loader *l, char *text, struct instruction *i)
{
    size_t n = strlen(text);
    if (text[0] != '[' || text[n - 1] != ']')
        fail(l, "an address is expected, not '%s'", text);
    text[n - 1] = 0;
    char *base = text + 1, *plus = strchr(base, '+');
    if (plus) {
        uint64_t value;
        *plus = 0;
        if (!number(plus + 1, &value))
            fail(l, "unknown offset '%s'", plus + 1);
        i->offset = (int64_t)value;
    }
    struct symbol *symbol = find_symbol(l, base);
    struct operand o;
    if (symbol && !find_register(l, base, &o)) {
        bool absolute = symbol->space == SPACE_GLOBAL || symbol->space == SPACE_CONST;
        if (i->space != symbol->space && !(absolute && i->space == SPACE_GENERIC))
            fail(l, "'%s' is not in the instruction's space", base);
        return constant(l, value_of(l, symbol), 8);
    }
    return operand(l, base, 0);
}

/* Splits "a, {b, c}, [d]" at the commas outside of brackets, without spaces. */
static int split(struct loader *l, const char *text, char parts[MAX_OPERANDS][NAME])
{
    int count = 0, depth = 0;
    size_t n = 0;
    for (const char *c = text;; c++) {
        if (!*c || (*c == ',' && depth == 0)) {
            if (n == 0 && !*c && count == 0)
                return 0;
            if (n == 0)
                fail(l, "an empty operand in '%s'", text);
            parts[count++][n] = 0;
            n = 0;
            if (!*c)
                return count;
            if (count == MAX_OPERANDS)
                fail(l, "too many operands in '%s'", text);
            continue;
        }
        depth += (*c == '{' || *c == '[') - (*c == '}' || *c == ']');
        if (!isspace((unsigned char)*c)) {
            if (n == NAME - 1)
                fail(l, "too long an operand in '%s'", text);
            parts[count][n++] = *c;
        }
    }
}

/* "{a,b}" or "a": the elements' operands, appended. */
static int elements(struct loader *l, char *text, struct instruction *i, size_t width)
{
    int first = i->operands;
    if (*text == '{') {
        char parts[MAX_OPERANDS][NAME];
        text[strlen(text) - 1] = 0;
        int count = split(l, text + 1, parts);
        if (first + count > MAX_OPERANDS)
            fail(l, "too many elements");
        for (int k = 0; k < count; k++)
            i->o[i->operands++] = operand(l, parts[k], width);
    } else {
        i->o[i->operands++] = operand(l, text, width);
    }
    return i->operands - first;
}

/* ---- instructions ---- */

struct statement {
    char name[NAME];              /* the whole mnemonic */
    char piece[12][24];           /* its parts between the dots */
    int pieces;
    char part[MAX_OPERANDS][NAME]; /* the operands' texts */
    int parts;
};

static void unknown(struct loader *l, const struct statement *s) __attribute__((noreturn));
static void unknown(struct loader *l, const struct statement *s)
{
    fail(l, "the interpreter does not know '%s' (%d operands)", s->name, s->parts);
}

static void fixup(struct loader *l, int *where, const char *name)
{
    l->fixup = more(l, l->fixup, l->fixups, &l->fixup_capacity, sizeof *l->fixup);
    struct fixup *f = &l->fixup[l->fixups++];
    f->where = where;
    f->line = l->line;
    snprintf(f->name, sizeof f->name, "%s", name);
}

static bool ignored(const char *piece)
{
    static const char *const all[] = { "volatile", "relaxed", "acquire", "release", "acq_rel", "weak", "cta", "gpu", "sys", "nc",
                                       "ca",
                                       "cg", "cs", "lu", "cv", "wb", "wt", "L1::no_allocate", "L1::evict_last", "L1::evict_first",
                                       "L1::evict_normal", "L2::64B", "L2::128B", "L2::256B" };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!strcmp(all[i], piece))
            return true;
    return false;
}

static bool space_of(const char *piece, enum space *space)
{
    static const struct { const char *name; enum space space; } all[] = {
        { "global", SPACE_GLOBAL }, { "shared", SPACE_SHARED }, { "shared::cta", SPACE_SHARED }, { "local", SPACE_LOCAL },
        { "const", SPACE_CONST }, { "param", SPACE_PARAM }, { "param::entry", SPACE_PARAM },
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!strcmp(all[i].name, piece)) {
            *space = all[i].space;
            return true;
        }
    return false;
}

/* Space, vector and type of ld, st, atom and red; the other modifiers must be known ones. */
static void memory_modifiers(struct loader *l, const struct statement *s, struct instruction *i, int from)
{
    struct type type;
    i->elements = 1;
    for (int k = from; k < s->pieces; k++) {
        const char *piece = s->piece[k];
        if (k == s->pieces - 1 && type_of(piece, &type)) {
            i->bytes = type.bytes;
            i->is_signed = type.is_signed && !type.is_float;
            i->is_float = type.is_float;
        } else if (!strcmp(piece, "v2") || !strcmp(piece, "v4")) {
            i->elements = (uint8_t)(piece[1] - '0');
        } else if (!space_of(piece, &i->space) && !ignored(piece)) {
            unknown(l, s);
        }
    }
    if (!i->bytes)
        unknown(l, s);
    i->kind = KIND_MEMORY;
}

static void load_or_store(struct loader *l, struct statement *s, struct instruction *i)
{
    bool store = s->name[0] == 's';
    if (s->parts != 2)
        unknown(l, s);
    memory_modifiers(l, s, i, 1);
    i->run = store ? ptx_st : ptx_ld;
    i->o[i->operands++] = address(l, s->part[store ? 0 : 1], i);
    if (elements(l, s->part[store ? 1 : 0], i, 0) != i->elements)
        unknown(l, s);
}

/* atom: result, address, operands; red: without the result. */
static void atomic(struct loader *l, struct statement *s, struct instruction *i)
{
    bool result = !strcmp(s->piece[0], "atom");
    int operation = -1;
    for (int k = 1; k < s->pieces - 1 && operation < 0; k++) {
        operation = ptx_atomic(s->piece[k], s->piece[s->pieces - 1]);
        if (operation >= 0) {
            memmove(s->piece[k], s->piece[k + 1], sizeof *s->piece * (s->pieces - k - 1));
            s->pieces--;
        }
    }
    if (operation < 0)
        unknown(l, s);
    memory_modifiers(l, s, i, 1);
    size_t width = i->bytes == 8 ? 8 : 4;
    i->mode = (uint8_t)operation;
    i->run = ptx_atom;
    i->atomic = true;
    i->o[i->operands++] = address(l, s->part[result ? 1 : 0], i);
    i->o[i->operands++] = operand(l, result ? s->part[0] : "_", width);
    for (int k = result ? 2 : 1; k < s->parts; k++)
        i->o[i->operands++] = operand(l, s->part[k], width);
    if (i->operands == 3)
        i->o[i->operands++] = (struct operand){ 0 };
}

/* setp.lt.and.f32 p|q, a, b, !c */
static void set_predicate(struct loader *l, struct statement *s, struct instruction *i)
{
    static const char *const booleans[] = { "", "and", "or", "xor" };
    int piece = 2;
    for (int k = BOOL_AND; k <= BOOL_XOR && piece < s->pieces; k++)
        if (!strcmp(s->piece[2], booleans[k]))
            i->mode = (uint8_t)k;
    piece += i->mode != BOOL_NONE;
    struct type type;
    if (s->pieces != piece + 1 || s->parts != 3 + (i->mode != BOOL_NONE) || !type_of(s->piece[piece], &type) ||
        !(i->run = ptx_compare(s->piece[1], s->piece[piece])))
        unknown(l, s);
    size_t width = type.bytes == 8 ? 8 : 4;
    char *second = strchr(s->part[0], '|');
    if (second)
        *second++ = 0;
    i->o[0] = operand(l, s->part[0], 4);
    i->o[1] = operand(l, s->part[1], width);
    i->o[2] = operand(l, s->part[2], width);
    if (i->mode != BOOL_NONE)
        i->o[3] = operand(l, s->part[3], 4);
    if (second)
        i->o[4] = operand(l, second, 4);
}

/* mov.b32 %r, {lo, hi} and back. */
static void move_vector(struct loader *l, struct statement *s, struct instruction *i)
{
    struct type type;
    bool pack = s->part[1][0] == '{';
    if (s->pieces != 2 || s->parts != 2 || !type_of(s->piece[1], &type) || (pack && s->part[0][0] == '{'))
        unknown(l, s);
    i->run = pack ? ptx_mov_pack : ptx_mov_unpack;
    i->o[i->operands++] = operand(l, s->part[pack ? 0 : 1], type.bytes == 8 ? 8 : 4);
    i->elements = (uint8_t)elements(l, s->part[pack ? 1 : 0], i, 0);
    i->bytes = (uint8_t)(type.bytes / i->elements);
    if (i->bytes * i->elements != type.bytes || i->elements < 2)
        unknown(l, s);
}

static int index_in(const char *const *names, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return i;
    return -1;
}

/* Operands: the mask first, since that is what the warp waits by. */
static void warp_wide(struct loader *l, struct statement *s, struct instruction *i)
{
    static const char *const shuffles[] = { "up", "down", "bfly", "idx" }, *const votes[] = { "all", "any", "uni", "ballot" };
    int mode;
    i->kind = KIND_WARP;
    if (!strcmp(s->name, "bar.warp.sync") && s->parts == 1) {
        i->run = ptx_warp_barrier;
        i->o[0] = operand(l, s->part[0], 4);
    } else if (starts(s->name, "shfl.sync.") && s->parts == 5 && s->pieces == 4 && !strcmp(s->piece[3], "b32") &&
               (mode = index_in(shuffles, 4, s->piece[2])) >= 0) {
        char *second = strchr(s->part[0], '|');
        if (second)
            *second++ = 0;
        i->run = ptx_shfl;
        i->mode = (uint8_t)mode;
        i->o[0] = operand(l, s->part[4], 4);
        i->o[1] = operand(l, s->part[0], 4);
        i->o[2] = operand(l, second ? second : "_", 4);
        for (int k = 1; k < 4; k++)
            i->o[k + 2] = operand(l, s->part[k], 4);
    } else if (starts(s->name, "vote.sync.") && s->parts == 3 && s->pieces == 4 && (mode = index_in(votes, 4, s->piece[2])) >= 0) {
        i->run = ptx_vote;
        i->mode = (uint8_t)mode;
        i->o[0] = operand(l, s->part[2], 4);
        i->o[1] = operand(l, s->part[0], 4);
        i->o[2] = operand(l, s->part[1], 4);
    } else {
        unknown(l, s);
    }
}

static void branch_table(struct loader *l, struct statement *s, struct instruction *i)
{
    if (s->parts != 2)
        unknown(l, s);
    i->kind = KIND_TABLE;
    i->o[0] = operand(l, s->part[0], 4);
    for (size_t k = 0; k < l->labels; k++)
        if (!strcmp(l->label[k].name, s->part[1]) && l->label[k].targets) {
            i->targets = l->label[k].targets;
            i->target = l->label[k].at; /* how many */
            return;
        }
    fail(l, "brx names no list of targets: '%s'", s->part[1]);
}

static void control(struct loader *l, struct statement *s, struct instruction *i)
{
    if (!strcmp(s->name, "bra") || !strcmp(s->name, "bra.uni")) {
        if (s->parts != 1)
            unknown(l, s);
        i->kind = KIND_BRANCH;
        fixup(l, &i->target, s->part[0]);
    } else if (!strcmp(s->name, "brx.idx") || !strcmp(s->name, "brx.idx.uni")) {
        branch_table(l, s, i);
    } else if (!strcmp(s->name, "ret") || !strcmp(s->name, "exit") || !strcmp(s->name, "ret.uni")) {
        i->kind = KIND_EXIT;
    } else if (!strcmp(s->name, "trap") || !strcmp(s->name, "brkpt")) {
        i->kind = KIND_TRAP;
    } else if ((!strcmp(s->name, "bar.sync") || !strcmp(s->name, "barrier.sync")) && s->parts == 1 && !strcmp(s->part[0], "0")) {
        i->kind = KIND_BARRIER;
    } else {
        unknown(l, s);
    }
}

static bool is_one_of(const char *name, const char *const *all)
{
    for (; *all; all++)
        if (!strcmp(name, *all))
            return true;
    return false;
}

static void decode(struct loader *l, struct statement *s, struct instruction *i)
{
    static const char *const controls[] = { "bra", "brx", "ret", "exit", "trap", "brkpt", "barrier", NULL };
    static const char *const fences[] = { "membar", "fence", NULL };
    for (const struct operation *op = ptx_operations; op->name; op++) {
        if (strcmp(op->name, s->name) != 0 || s->part[0][0] == '{' || (s->parts > 1 && s->part[1][0] == '{'))
            continue;
        if (s->parts != op->operands)
            unknown(l, s);
        i->run = op->run;
        for (int k = 0; k < op->operands; k++)
            i->o[k] = operand(l, s->part[k], op->width[k]);
        return;
    }
    const char *family = s->piece[0];
    if (!strcmp(family, "ld") || !strcmp(family, "st"))
        load_or_store(l, s, i);
    else if (!strcmp(family, "atom") || !strcmp(family, "red"))
        atomic(l, s, i);
    else if (!strcmp(family, "setp"))
        set_predicate(l, s, i);
    else if (!strcmp(family, "mov"))
        move_vector(l, s, i);
    else if (!strcmp(family, "shfl") || !strcmp(family, "vote") || starts(s->name, "bar.warp"))
        warp_wide(l, s, i);
    else if (is_one_of(family, controls) || !strcmp(family, "bar"))
        control(l, s, i);
    else if (!is_one_of(family, fences)) /* memory is in order here, so that a fence does nothing */
        unknown(l, s);
}

static void nothing(struct warp *warp, const struct instruction *i)
{
    (void)warp;
    (void)i;
}

/* The statement up to its semicolon. */
static void instruction(struct loader *l)
{
    char text[STATEMENT];
    size_t length = strcspn(l->at, ";");
    if (length >= sizeof text || !l->at[length])
        fail(l, "an instruction without end at '%.20s'", l->at);
    size_t n = 0;
    int lines = 0;
    for (size_t k = 0; k < length; k++) { /* runs of blanks to one */
        bool blank = isspace((unsigned char)l->at[k]);
        lines += l->at[k] == '\n';
        if (!blank || (n && text[n - 1] != ' '))
            text[n++] = blank ? ' ' : l->at[k];
    }
    while (n && text[n - 1] == ' ')
        n--;
    text[n] = 0;
    l->at += length + 1;

    struct ptx_kernel *k = l->kernel;
    if (k->length == (int)l->code_capacity)
        fail(l, "a kernel of more than %zu instructions", l->code_capacity);
    struct instruction *i = &k->code[k->length++];
    *i = (struct instruction){ .run = nothing, .line = l->line, .source = l->source, .text = strdup(text) };
    char *at = text;
    if (*at == '@') {
        char *end = strchr(at, ' ');
        if (!end)
            fail(l, "a guard without instruction: '%s'", text);
        *end = 0;
        i->guard = operand(l, at + 1, 4);
        at = end + 1;
    }
    struct statement s = { 0 };
    size_t name = strcspn(at, " ");
    if (name >= sizeof s.name)
        fail(l, "too long an instruction: '%s'", text);
    memcpy(s.name, at, name);
    char copy[NAME], *rest = copy, *piece;
    memcpy(copy, s.name, sizeof copy);
    while ((piece = strsep(&rest, "."))) {
        if (s.pieces == 12 || strlen(piece) >= sizeof *s.piece)
            unknown(l, &s);
        strcpy(s.piece[s.pieces++], piece);
    }
    s.parts = split(l, at + name, s.part);
    decode(l, &s, i);
    l->line += lines;
}

/* ---- declarations ---- */

struct declaration {
    char name[NAME];
    struct type type;
    size_t align, count; /* count: elements, 0 of an open array */
    bool array;
};

/* ".align 4 .b8 name[1024]", after the space's word. */
static struct declaration declaration(struct loader *l)
{
    struct declaration d = { .count = 1 };
    char piece[NAME];
    for (;;) {
        dotted(l, piece);
        if (!strcmp(piece, ".align"))
            d.align = (size_t)integer(l);
        else if (!strcmp(piece, ".ptr") || !strcmp(piece, ".global"))
            continue;
        else if (type_of(piece + 1, &d.type) && piece[0] == '.')
            break;
        else
            fail(l, "a declaration with %s", piece);
    }
    skip_space(l);
    while (starts(l->at, ".ptr") || starts(l->at, ".global") || starts(l->at, ".align")) { /* what a pointer points to */
        dotted(l, piece);
        if (!strcmp(piece, ".align"))
            integer(l);
        skip_space(l);
    }
    word(l, d.name);
    while (take(l, '[')) {
        skip_space(l);
        d.array = true;
        d.count *= *l->at == ']' ? 0 : (size_t)integer(l);
        need(l, ']');
    }
    if (!d.align)
        d.align = d.type.bytes;
    return d;
}

/* .global and .const variables are ordinary memory of the module, zero where there is no initial value. */
static void variable(struct loader *l, enum space space)
{
    struct declaration d = declaration(l);
    size_t bytes = d.count * d.type.bytes;
    struct ptx_module *m = l->module;
    m->variable = more(l, m->variable, m->variables, &l->variable_capacity, sizeof *m->variable);
    char *memory = calloc(1, bytes + 16);
    if (!memory)
        fail(l, "out of memory");
    m->variable[m->variables++] = (struct ptx_region){ .base = (uintptr_t)memory, .bytes = bytes };
    if (take(l, '=')) {
        bool list = take(l, '{');
        size_t i = 0;
        do {
            uint64_t value = (uint64_t)integer(l);
            if (i == d.count || d.type.is_float)
                fail(l, "the initial value of %s", d.name);
            memcpy(memory + i++ * d.type.bytes, &value, d.type.bytes);
        } while (list && take(l, ','));
        if (list)
            need(l, '}');
    }
    need(l, ';');
    add_symbol(l, d.name, space, (uintptr_t)memory);
}

static void shared_variable(struct loader *l, bool external)
{
    struct declaration d = declaration(l);
    need(l, ';');
    if (external || !d.count) {
        add_symbol(l, d.name, SPACE_SHARED, 0)->dynamic = true;
    } else if (l->kernel) {
        add_symbol(l, d.name, SPACE_SHARED, place_shared(l, d.count * d.type.bytes, d.align));
    } else {
        struct symbol *symbol = add_symbol(l, d.name, SPACE_SHARED, 0);
        symbol->bytes = d.count * d.type.bytes;
        symbol->align = d.align;
    }
}

static void local_variable(struct loader *l)
{
    struct declaration d = declaration(l);
    need(l, ';');
    size_t at = round_up(l->kernel->local_bytes, d.align);
    l->kernel->local_bytes = at + d.count * d.type.bytes;
    add_symbol(l, d.name, SPACE_LOCAL, at);
}

static void parameters(struct loader *l)
{
    struct ptx_kernel *k = l->kernel;
    size_t room = 0;
    need(l, '(');
    while (!take(l, ')')) {
        char piece[NAME];
        dotted(l, piece);
        if (strcmp(piece, ".param") != 0)
            fail(l, "a parameter begins with %s", piece);
        struct declaration d = declaration(l);
        k->param = more(l, k->param, k->params, &room, sizeof *k->param);
        k->param_bytes = round_up(k->param_bytes, d.align);
        k->param[k->params++] = (struct param){ k->param_bytes, d.count * d.type.bytes };
        add_symbol(l, d.name, SPACE_PARAM, k->param_bytes);
        k->param_bytes += d.count * d.type.bytes;
        take(l, ',');
    }
}

/* ---- kernels ---- */

static void set_label(struct loader *l, const char *name)
{
    l->label = more(l, l->label, l->labels, &l->label_capacity, sizeof *l->label);
    struct label *label = &l->label[l->labels++];
    snprintf(label->name, sizeof label->name, "%s", name);
    label->at = l->kernel->length;
    skip_space(l);
    if (!starts(l->at, ".branchtargets"))
        return;
    l->at += strlen(".branchtargets");
    char target[NAME];
    int count = 0;
    const char *end = strchr(l->at, ';');
    for (const char *c = l->at; end && c < end; c++)
        count += *c == ',';
    label->targets = calloc((size_t)count + 1, sizeof *label->targets);
    label->at = count + 1;
    for (int i = 0; i <= count; i++) {
        word(l, target);
        fixup(l, &l->label[l->labels - 1].targets[i], target);
        take(l, ',');
    }
    need(l, ';');
}

static void location(struct loader *l)
{
    integer(l);
    l->source = (int)integer(l);
    rest_of_line(l);
}

static void body_directive(struct loader *l)
{
    char name[NAME];
    dotted(l, name);
    if (!strcmp(name, ".reg"))
        declare_registers(l);
    else if (!strcmp(name, ".shared"))
        shared_variable(l, false);
    else if (!strcmp(name, ".local"))
        local_variable(l);
    else if (!strcmp(name, ".loc"))
        location(l);
    else if (!strcmp(name, ".pragma"))
        l->at += strcspn(l->at, ";") + 1;
    else
        fail(l, "the interpreter does not know %s", name);
}

static bool at_label(const struct loader *l)
{
    size_t n = 0;
    while (in_word(l->at[n]))
        n++;
    return n && l->at[n] == ':' && l->at[n + 1] != ':';
}

static void body(struct loader *l)
{
    size_t scope[16], depth = 0;
    for (;;) {
        skip_space(l);
        if (*l->at == 0) {
            fail(l, "the kernel does not end");
        } else if (take(l, '{')) {
            if (depth == 16)
                fail(l, "too many braces");
            scope[depth++] = l->register_sets;
        } else if (take(l, '}')) {
            if (depth == 0)
                return;
            l->register_sets = scope[--depth];
        } else if (*l->at == '.') {
            body_directive(l);
        } else if (at_label(l)) {
            char name[NAME];
            word(l, name);
            need(l, ':');
            set_label(l, name);
        } else {
            instruction(l);
        }
    }
}

static void resolve(struct loader *l)
{
    for (size_t i = 0; i < l->fixups; i++) {
        size_t k = 0;
        while (k < l->labels && (l->label[k].targets || strcmp(l->label[k].name, l->fixup[i].name) != 0))
            k++;
        l->line = l->fixup[i].line;
        if (k == l->labels)
            fail(l, "there is no label %s", l->fixup[i].name);
        *l->fixup[i].where = l->label[k].at;
    }
}

static void entry(struct loader *l)
{
    char name[NAME];
    struct ptx_module *m = l->module;
    struct ptx_kernel *k = calloc(1, sizeof *k);
    m->kernel = more(l, m->kernel, m->kernels, &l->kernel_capacity, sizeof *m->kernel);
    m->kernel[m->kernels++] = k;
    word(l, name);
    size_t symbols = l->symbols;
    l->kernel = k;
    k->module = m;
    k->name = strdup(name);
    l->fixups = l->labels = l->register_sets = l->constant_capacity = l->shared_variables = 0;
    l->dynamic_used = false;
    parameters(l);
    skip_space(l);
    while (*l->at == '.') { /* .maxntid and the like: advice for the assembler */
        rest_of_line(l);
        skip_space(l);
    }
    need(l, '{');
    const char *next = strstr(l->at, ".entry");
    l->code_capacity = 1;
    for (const char *c = l->at; *c && c != next; c++)
        l->code_capacity += *c == ';';
    k->code = calloc(l->code_capacity + 1, sizeof *k->code);
    body(l);
    resolve(l);
    if (k->length == 0 || (k->code[k->length - 1].kind != KIND_EXIT && k->code[k->length - 1].kind != KIND_BRANCH &&
                           k->code[k->length - 1].kind != KIND_TRAP))
        k->code[k->length++] = (struct instruction){ .run = nothing, .kind = KIND_EXIT, .line = l->line, .text = strdup("ret") };
    k->executed = calloc(k->length, sizeof *k->executed);
    k->hint = calloc(k->length, sizeof *k->hint);
    l->symbols = symbols;
    l->kernel = NULL;
}

static void module_directive(struct loader *l)
{
    char name[NAME];
    bool external = false;
    dotted(l, name);
    while (!strcmp(name, ".visible") || !strcmp(name, ".extern") || !strcmp(name, ".weak") || !strcmp(name, ".common")) {
        external = external || !strcmp(name, ".extern");
        dotted(l, name);
    }
    if (!strcmp(name, ".entry"))
        entry(l);
    else if (!strcmp(name, ".shared"))
        shared_variable(l, external);
    else if (!strcmp(name, ".global") || !strcmp(name, ".const"))
        variable(l, !strcmp(name, ".const") ? SPACE_CONST : SPACE_GLOBAL);
    else if (!strcmp(name, ".section"))
        l->at += strcspn(l->at, "}") + 1;
    else if (!strcmp(name, ".version") || !strcmp(name, ".target") || !strcmp(name, ".address_size") || !strcmp(name, ".file"))
        rest_of_line(l);
    else
        fail(l, "the interpreter does not know %s", name);
}

int ptx_load(struct ptx_module **result, const char *text, struct ptx_fault *fault)
{
    struct loader l = { .line = 1, .fault = fault };
    *result = l.module = calloc(1, sizeof *l.module);
    l.at = l.module->text = strdup(text);
    strip_comments(l.module->text);
    if (!setjmp(l.failed)) {
        for (skip_space(&l); *l.at; skip_space(&l))
            module_directive(&l);
        l.loaded = true;
    }
    free(l.registers);
    free(l.symbol);
    free(l.label);
    free(l.fixup);
    if (l.loaded)
        return 0;
    ptx_free(*result);
    *result = NULL;
    return -1;
}

static void free_kernel(struct ptx_kernel *k)
{
    for (int i = 0; i < k->length; i++) {
        bool last = true; /* of those that share a table */
        for (int j = i + 1; j < k->length; j++)
            last = last && k->code[j].targets != k->code[i].targets;
        if (last)
            free((int *)k->code[i].targets);
        free((char *)k->code[i].text);
    }
    free(k->name);
    free(k->param);
    free(k->code);
    free(k->executed);
    free(k->hint);
    free(k->shared_owner);
    free(k->constants);
    free(k);
}

void ptx_free(struct ptx_module *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->kernels; i++)
        free_kernel(m->kernel[i]);
    for (size_t i = 0; i < m->variables; i++) {
        ptx_forget(&m->variable[i]);
        free((void *)m->variable[i].base);
    }
    free(m->kernel);
    free(m->variable);
    free(m->text);
    free(m);
}

const struct ptx_kernel *ptx_find(const struct ptx_module *m, const char *name)
{
    for (size_t i = 0; i < m->kernels; i++)
        if (!strcmp(m->kernel[i]->name, name))
            return m->kernel[i];
    return NULL;
}

const struct ptx_kernel *ptx_kernel_at(const struct ptx_module *m, size_t i)
{
    return i < m->kernels ? m->kernel[i] : NULL;
}

const char *ptx_name(const struct ptx_kernel *k)
{
    return k->name;
}

size_t ptx_params(const struct ptx_kernel *k)
{
    return k->params;
}

size_t ptx_param_bytes(const struct ptx_kernel *k, size_t i)
{
    return k->param[i].bytes;
}

size_t ptx_static_shared(const struct ptx_kernel *k)
{
    return k->shared_bytes;
}

bool ptx_waits(const struct ptx_kernel *k)
{
    bool waits = false;
    for (int i = 0; i < k->length; i++)
        waits = waits || k->code[i].kind == KIND_WARP || k->code[i].kind == KIND_BARRIER;
    return waits;
}

size_t ptx_lines(const struct ptx_kernel *k)
{
    return (size_t)k->length;
}

struct ptx_line ptx_line(const struct ptx_kernel *k, size_t i)
{
    const struct instruction *c = &k->code[i];
    return (struct ptx_line){ c->line, c->source, c->text, k->executed[i], c->kind == KIND_TRAP };
}
