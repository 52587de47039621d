/* pickle.c -- takes a pickle apart. The machine knows the opcodes that PyTorch's files are made of (protocols 2 to 5) and
 * the globals of globals.c; nothing is ever called: of a call that makes a tensor the arguments are kept, any other makes a value
 * that is opaque, which may be filled and passed around and is then passed over. Anything else is refused. Opcodes: Python's
 * pickletools. */
#include <stdio.h>
#include <stdlib.h>

#include "exchange/private.h"

enum {
    LIMIT = 1 << 22,      /* values, cells, places on the stack */
    MEMO_LIMIT = 1 << 20,
    DEPTH_LIMIT = 1024,   /* marks */
    NAME_LIMIT = 256,     /* bytes of a global's module or name */
    NOTHING = 0xffffffff,
};

/* Names of opcodes that are refused, for the message. */
static const struct { char code; const char *name; } refused[] = {
    { '2', "DUP" }, { 'F', "FLOAT" }, { 'I', "INT" }, { 'L', "LONG" }, { 'P', "PERSID" },
    { 'S', "STRING" }, { 'V', "UNICODE" }, { 'd', "DICT" }, { 'g', "GET" }, { 'i', "INST" }, { 'l', "LIST" }, { 'o', "OBJ" },
    { 'p', "PUT" }, { '\x82', "EXT1" }, { '\x83', "EXT2" }, { '\x84', "EXT4" }, { '\x97', "NEXT_BUFFER" },
    { '\x98', "READONLY_BUFFER" },
};

struct machine {
    struct rn_pickle *p;
    const char *bytes;
    size_t length, at, op; /* op: where the opcode stands */
    uint32_t *stack, *mark, *memo;
    size_t depth, marks, memos, stack_capacity, mark_capacity, memo_capacity;
    struct rn_err *err;
};

static int bad(struct machine *m, const char *what)
{
    rn_fail(m->err, RN_EXIT_DATA, "pickle: byte %zu: %s", m->op, what);
    return -1; /* in so many words: compilers see that callers stop */
}

/* ---- reading and the stack ---- */

static const char *take(struct machine *m, uint64_t length)
{
    if (length > m->length - m->at) {
        bad(m, "it ends within an opcode");
        return NULL;
    }
    m->at += (size_t)length;
    return m->bytes + m->at - (size_t)length;
}

/* An unsigned number of 1, 2, 4 or 8 bytes. */
static int number(struct machine *m, size_t bytes, uint64_t *value)
{
    const char *at = take(m, bytes);
    *value = 0;
    for (size_t i = 0; at && i < bytes; i++)
        *value |= (uint64_t)(unsigned char)at[i] << 8 * i;
    return at ? 0 : -1;
}

static int push(struct machine *m, uint32_t value)
{
    if (m->depth >= LIMIT)
        return bad(m, "too many values on the stack");
    if (rn_grow(&m->stack, &m->stack_capacity, m->depth + 1, sizeof *m->stack, m->err))
        return -1;
    m->stack[m->depth++] = value;
    return 0;
}

/* The lowest place of the stack that may be popped: what a mark covers can be taken with the mark only. */
static size_t base(const struct machine *m)
{
    return m->marks ? m->mark[m->marks - 1] : 0;
}

static int pop(struct machine *m, uint32_t *value)
{
    if (m->depth <= base(m))
        return bad(m, "nothing on the stack");
    *value = m->stack[--m->depth];
    return 0;
}

static int new_value(struct machine *m, struct rn_pickle_value value)
{
    struct rn_pickle *p = m->p;
    if (p->values >= LIMIT)
        return bad(m, "too many values");
    if (rn_grow(&p->value, &p->value_capacity, p->values + 1, sizeof *p->value, m->err))
        return -1;
    p->value[p->values] = value;
    return push(m, (uint32_t)p->values++);
}

static int new_container(struct machine *m, enum rn_pickle_kind kind)
{
    return new_value(m, (struct rn_pickle_value){ .kind = kind, .items = { NOTHING, NOTHING, 0 } });
}

/* Appends an item to a container. */
static int append(struct machine *m, uint32_t container, uint32_t item)
{
    struct rn_pickle *p = m->p;
    struct rn_pickle_value *to = &p->value[container];
    if (p->cells >= LIMIT)
        return bad(m, "too many items");
    if (rn_grow(&p->cell, &p->cell_capacity, p->cells + 1, sizeof *p->cell, m->err))
        return -1;
    p->cell[p->cells] = (struct rn_pickle_cell){ item, NOTHING };
    if (to->items.count++)
        p->cell[to->items.last].next = (uint32_t)p->cells;
    else
        to->items.first = (uint32_t)p->cells;
    to->items.last = (uint32_t)p->cells++;
    return 0;
}

/* Appends what lies on the stack from `from` on, which is popped. */
static int append_from(struct machine *m, uint32_t container, size_t from)
{
    for (size_t i = from; i < m->depth; i++)
        if (append(m, container, m->stack[i]))
            return -1;
    m->depth = from;
    return 0;
}

static int pop_mark(struct machine *m, size_t *from)
{
    *from = 0; /* GCC for arm64 does not see that bad() is never 0 */
    if (!m->marks)
        return bad(m, "no mark");
    *from = m->mark[--m->marks];
    return 0;
}

static int set_mark(struct machine *m)
{
    if (m->marks >= DEPTH_LIMIT)
        return bad(m, "nested too deep");
    if (rn_grow(&m->mark, &m->mark_capacity, m->marks + 1, sizeof *m->mark, m->err))
        return -1;
    m->mark[m->marks++] = (uint32_t)m->depth;
    return 0;
}

/* ---- opcodes ---- */

static int integer(struct machine *m, size_t bytes, bool is_signed)
{
    uint64_t value;
    if (number(m, bytes, &value))
        return -1;
    return new_value(m, (struct rn_pickle_value){ .kind = RN_P_INT, .integer = is_signed ? (int32_t)value : (int64_t)value });
}

static int long_integer(struct machine *m, size_t length_bytes)
{
    uint64_t length, value = 0;
    const char *at;
    if (number(m, length_bytes, &length) || !(at = take(m, length)))
        return -1;
    if (length > 8)
        return new_value(m, (struct rn_pickle_value){ .kind = RN_P_LONG, .text = { at, (size_t)length } });
    for (size_t i = 0; i < length; i++)
        value |= (uint64_t)(unsigned char)at[i] << 8 * i;
    if (length && length < 8 && at[length - 1] & 0x80)
        value |= ~(uint64_t)0 << 8 * length;
    return new_value(m, (struct rn_pickle_value){ .kind = RN_P_INT, .integer = (int64_t)value });
}

static int real(struct machine *m)
{
    const char *at = take(m, 8);
    uint64_t bits = 0;
    double value;
    for (size_t i = 0; at && i < 8; i++)
        bits = bits << 8 | (unsigned char)at[i];
    memcpy(&value, &bits, sizeof value);
    return at ? new_value(m, (struct rn_pickle_value){ .kind = RN_P_REAL, .real = value }) : -1;
}

static int text(struct machine *m, size_t length_bytes)
{
    uint64_t length;
    const char *at;
    if (number(m, length_bytes, &length) || !(at = take(m, length)))
        return -1;
    return new_value(m, (struct rn_pickle_value){ .kind = RN_P_TEXT, .text = { at, (size_t)length } });
}

static int opaque(struct machine *m)
{
    return new_value(m, (struct rn_pickle_value){ .kind = RN_P_OPAQUE });
}

static int bytes(struct machine *m, size_t length_bytes)
{
    uint64_t length;
    return number(m, length_bytes, &length) || !take(m, length) ? -1 : opaque(m);
}

/* A tuple of the `count` values on top. */
static int tuple(struct machine *m, size_t count)
{
    if (m->depth - base(m) < count)
        return bad(m, "nothing on the stack");
    size_t from = m->depth - count;
    if (new_container(m, RN_P_TUPLE))
        return -1;
    uint32_t made = m->stack[--m->depth];
    return append_from(m, made, from) || push(m, made) ? -1 : 0;
}

static int marked_tuple(struct machine *m)
{
    size_t from;
    return pop_mark(m, &from) ? -1 : tuple(m, m->depth - from);
}

static int frozen_set(struct machine *m)
{
    size_t from;
    if (pop_mark(m, &from))
        return -1;
    m->depth = from;
    return opaque(m);
}

/* APPEND(S), SETITEM(S) and ADDITEMS: what lies from `from` on goes into the container below it; into what is opaque, nowhere. */
static int fill(struct machine *m, enum rn_pickle_kind kind, size_t from)
{
    if (from <= base(m))
        return bad(m, "nothing on the stack");
    uint32_t container = m->stack[from - 1];
    if (m->p->value[container].kind == RN_P_OPAQUE)
        return m->depth = from, 0;
    if (m->p->value[container].kind != kind)
        return bad(m, kind == RN_P_LIST ? "appends to what is no list" : kind == RN_P_DICT ? "sets an item of what is no dictionary"
                                                                                         : "adds to what is no set");
    if (kind == RN_P_DICT && (m->depth - from) % 2)
        return bad(m, "a key without a value");
    return append_from(m, container, from);
}

static int fill_top(struct machine *m, enum rn_pickle_kind kind, size_t count)
{
    if (m->depth - base(m) < count)
        return bad(m, "nothing on the stack");
    return fill(m, kind, m->depth - count);
}

static int fill_marked(struct machine *m, enum rn_pickle_kind kind)
{
    size_t from;
    return pop_mark(m, &from) ? -1 : fill(m, kind, from);
}

static int put(struct machine *m, uint64_t id)
{
    if (m->depth <= base(m))
        return bad(m, "nothing on the stack");
    if (id >= MEMO_LIMIT)
        return bad(m, "a memo number that is too large");
    if (rn_grow(&m->memo, &m->memo_capacity, (size_t)id + 1, sizeof *m->memo, m->err))
        return -1;
    while (m->memos <= id)
        m->memo[m->memos++] = NOTHING;
    m->memo[id] = m->stack[m->depth - 1];
    return 0;
}

static int put_numbered(struct machine *m, size_t bytes)
{
    uint64_t id;
    return number(m, bytes, &id) ? -1 : put(m, id);
}

static int get(struct machine *m, size_t bytes)
{
    uint64_t id;
    if (number(m, bytes, &id))
        return -1;
    if (id >= m->memos || m->memo[id] == NOTHING)
        return bad(m, "a memo that was never set");
    return push(m, m->memo[id]);
}

/* Why a global is refused, and what to do instead. */
static int refuse_global(struct machine *m, struct rn_text module, struct rn_text name)
{
    static const char *const what[] = {
        "it would run a program, data does not: do not load this file with Python either",
        "a TorchScript program, not weights: torch.save(torch.jit.load(FILE).state_dict(), NEW) saves those",
        "a whole module, not its weights: torch.save(model.state_dict(), FILE) saves those",
        "it is not known to be data: torch.save(model.state_dict(), FILE) saves the weights without it",
    };
    char shown[2][256];
    const struct rn_pickle_value *below = m->depth ? &m->p->value[m->stack[m->depth - 1]] : NULL;
    bool script = module.length >= 9 && !memcmp(module.data, "__torch__", 9);
    /* the first thing in the pickle is the class of the whole; before PyTorch 1.6 a module's class had the source beside it */
    bool whole = !below || (below->kind == RN_P_TEXT && rn_text_is(below->text, "module"));
    const char *why = what[rn_pickle_global_runs(module, name) ? 0 : script ? 1 : whole ? 2 : 3];
    return rn_fail(m->err, RN_EXIT_DATA, "pickle: byte %zu: the global '%s %s' is not allowed: %s", m->op,
                   rn_text_show(module, shown[0]), rn_text_show(name, shown[1]), why);
}

static int global(struct machine *m, struct rn_text module, struct rn_text name)
{
    const struct rn_pickle_global *row = rn_pickle_global_find(module, name);
    if (!row)
        return refuse_global(m, module, name);
    return new_value(m, (struct rn_pickle_value){ .kind = RN_P_GLOBAL, .name = name, .row = (uint32_t)(row - rn_pickle_globals) });
}

static int line(struct machine *m, struct rn_text *text)
{
    size_t left = m->length - m->at;
    const char *end = memchr(m->bytes + m->at, '\n', left < NAME_LIMIT ? left : NAME_LIMIT);
    if (!end)
        return bad(m, "a global without an end");
    *text = (struct rn_text){ m->bytes + m->at, (size_t)(end - m->bytes) - m->at };
    m->at += text->length + 1;
    return 0;
}

static int global_of_lines(struct machine *m)
{
    struct rn_text module, name;
    return line(m, &module) || line(m, &name) ? -1 : global(m, module, name);
}

static int global_of_stack(struct machine *m)
{
    uint32_t module, name;
    if (pop(m, &name) || pop(m, &module))
        return -1;
    if (m->p->value[name].kind != RN_P_TEXT || m->p->value[module].kind != RN_P_TEXT)
        return bad(m, "a global whose name is no text");
    return global(m, m->p->value[module].text, m->p->value[name].text);
}

/* OrderedDict() or, as Python 2 wrote it, OrderedDict([[key, value], ...]). */
static int ordered_dict(struct machine *m, uint32_t arguments)
{
    const struct rn_pickle_value *argument[1], *pair[2];
    int count = rn_pickle_items(m->p, &m->p->value[arguments], 1, argument);
    if (count < 0 || (count == 1 && argument[0]->kind != RN_P_LIST))
        return bad(m, "an OrderedDict of something that is no list");
    uint32_t next = count ? argument[0]->items.first : NOTHING, left = count ? argument[0]->items.count : 0;
    if (new_container(m, RN_P_DICT))
        return -1;
    uint32_t dict = m->stack[m->depth - 1];
    for (; left; left--, next = m->p->cell[next].next) {
        if (rn_pickle_items(m->p, &m->p->value[m->p->cell[next].value], 2, pair) != 2)
            return bad(m, "an OrderedDict of something that is no pair");
        const uint32_t item[2] = { (uint32_t)(pair[0] - m->p->value), (uint32_t)(pair[1] - m->p->value) };
        if (append(m, dict, item[0]) || append(m, dict, item[1]))
            return -1;
    }
    return 0;
}

/* Counter(dictionary) is that dictionary; others begin empty. */
static int dictionary(struct machine *m, uint32_t arguments)
{
    const struct rn_pickle_value *argument[1];
    if (rn_pickle_items(m->p, &m->p->value[arguments], 1, argument) == 1 && argument[0]->kind == RN_P_DICT)
        return push(m, (uint32_t)(argument[0] - m->p->value));
    return new_container(m, RN_P_DICT);
}

static int called(struct machine *m, uint32_t callee, uint32_t argument, const char *opcode)
{
    const struct rn_pickle_global *what = rn_pickle_global(&m->p->value[callee]);
    if (!what || what->what == RN_G_STORAGE || what->what == RN_G_DTYPE || m->p->value[argument].kind != RN_P_TUPLE)
        return bad(m, opcode);
    switch (what->what) {
    case RN_G_ORDERED_DICT:
        return ordered_dict(m, argument);
    case RN_G_DICT:
        return dictionary(m, argument);
    case RN_G_OPAQUE:
        return opaque(m);
    default:
        return new_value(m, (struct rn_pickle_value){ .kind = RN_P_CALL, .callee = callee, .argument = argument });
    }
}

static int call(struct machine *m)
{
    uint32_t argument, callee;
    if (pop(m, &argument) || pop(m, &callee))
        return -1;
    return called(m, callee, argument, "REDUCE calls what is no allowed function");
}

/* NEWOBJ and NEWOBJ_EX make an object of a class: the tensors are made by functions. */
static int new_object(struct machine *m, bool keywords)
{
    uint32_t argument, class, more;
    if ((keywords && pop(m, &more)) || pop(m, &argument) || pop(m, &class))
        return -1;
    const struct rn_pickle_global *what = rn_pickle_global(&m->p->value[class]);
    if (what && what->what != RN_G_OPAQUE && what->what != RN_G_DICT && what->what != RN_G_ORDERED_DICT)
        return bad(m, "NEWOBJ of what is no allowed class");
    return called(m, class, argument, "NEWOBJ of what is no allowed class");
}

/* What Python's pickler takes back from the stack after a tuple that holds itself. */
static int drop(struct machine *m, bool marked)
{
    size_t from;
    uint32_t value;
    if (!marked && m->depth > base(m))
        return pop(m, &value);
    if (pop_mark(m, &from))
        return -1;
    m->depth = from;
    return 0;
}

/* A class of modules has its source beside it in files before PyTorch 1.6, ("module", class, file, source): it is the class. */
static int persistent(struct machine *m)
{
    uint32_t id;
    const struct rn_pickle_value *item[4];
    if (pop(m, &id))
        return -1;
    if (rn_pickle_items(m->p, &m->p->value[id], 4, item) == 4 && item[0]->kind == RN_P_TEXT &&
        rn_text_is(item[0]->text, "module") && item[1]->kind == RN_P_GLOBAL)
        return push(m, (uint32_t)(item[1] - m->p->value));
    return new_value(m, (struct rn_pickle_value){ .kind = RN_P_PERSISTENT, .argument = id });
}

/* The attributes of an object (PyTorch's _metadata of an OrderedDict): nothing that we need. */
static int build(struct machine *m)
{
    uint32_t state;
    if (pop(m, &state))
        return -1;
    enum rn_pickle_kind kind = m->depth > base(m) ? m->p->value[m->stack[m->depth - 1]].kind : RN_P_NONE;
    return kind == RN_P_OPAQUE || kind == RN_P_DICT ? 0 : bad(m, "BUILD of what is neither a dictionary nor passed over");
}

static int not_allowed(struct machine *m, char code)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (refused[i].code == code)
            return rn_fail(m->err, RN_EXIT_DATA, "pickle: byte %zu: the opcode %s is not allowed", m->op, refused[i].name);
    return rn_fail(m->err, RN_EXIT_DATA, "pickle: byte %zu: there is no opcode %02x", m->op, (unsigned char)code);
}

static int protocol(struct machine *m)
{
    uint64_t version;
    if (number(m, 1, &version))
        return -1;
    return version >= 2 && version <= 5 ? 0 : bad(m, "a protocol that is not 2 to 5");
}

/* One opcode: 1 at STOP. */
static int step(struct machine *m)
{
    m->op = m->at;
    const char *code = take(m, 1);
    if (!code)
        return -1;
    switch (*code) {
    case '\x80': return protocol(m);
    case '\x95': return take(m, 8) ? 0 : -1; /* FRAME: a hint for buffering */
    case '.': return 1;
    case '(': return set_mark(m);
    case 'N': return new_value(m, (struct rn_pickle_value){ .kind = RN_P_NONE });
    case '\x88': return new_value(m, (struct rn_pickle_value){ .kind = RN_P_BOOL, .integer = 1 });
    case '\x89': return new_value(m, (struct rn_pickle_value){ .kind = RN_P_BOOL });
    case 'K': return integer(m, 1, false);
    case 'M': return integer(m, 2, false);
    case 'J': return integer(m, 4, true);
    case '\x8a': return long_integer(m, 1);
    case '\x8b': return long_integer(m, 4);
    case 'G': return real(m);
    case '\x8c': case 'U': return text(m, 1);
    case 'X': case 'T': return text(m, 4);
    case '\x8d': return text(m, 8);
    case ')': return new_container(m, RN_P_TUPLE);
    case ']': return new_container(m, RN_P_LIST);
    case '}': return new_container(m, RN_P_DICT);
    case '\x85': return tuple(m, 1);
    case '\x86': return tuple(m, 2);
    case '\x87': return tuple(m, 3);
    case 't': return marked_tuple(m);
    case 'a': return fill_top(m, RN_P_LIST, 1);
    case 'e': return fill_marked(m, RN_P_LIST);
    case 's': return fill_top(m, RN_P_DICT, 2);
    case 'u': return fill_marked(m, RN_P_DICT);
    case 'q': return put_numbered(m, 1);
    case 'r': return put_numbered(m, 4);
    case '\x94': return put(m, m->memos);
    case 'h': return get(m, 1);
    case 'j': return get(m, 4);
    case 'c': return global_of_lines(m);
    case '\x93': return global_of_stack(m);
    case 'Q': return persistent(m);
    case 'R': return call(m);
    case 'b': return build(m);
    case '\x81': return new_object(m, false);
    case '\x92': return new_object(m, true);
    case 'C': return bytes(m, 1);
    case 'B': return bytes(m, 4);
    case '\x8e': case '\x96': return bytes(m, 8);
    case '\x8f': return opaque(m); /* EMPTY_SET */
    case '\x90': return fill_marked(m, RN_P_OPAQUE);
    case '\x91': return frozen_set(m);
    case '0': return drop(m, false);
    case '1': return drop(m, true);
    default: return not_allowed(m, *code);
    }
}

int rn_pickle_load(struct rn_pickle *pickle, struct rn_text bytes, size_t *at, struct rn_err *err)
{
    struct machine m = { .p = pickle, .bytes = bytes.data, .length = bytes.length, .at = *at, .op = *at, .err = err };
    int rc = *at <= bytes.length ? 0 : bad(&m, "the file ends before it");
    while (rc == 0)
        rc = step(&m);
    if (rc == 1)
        rc = m.depth == 1 && !m.marks ? 0 : bad(&m, "STOP with more or less than one value on the stack");
    if (rc == 0)
        pickle->root = m.stack[0];
    *at = m.at;
    free(m.stack);
    free(m.mark);
    free(m.memo);
    return rc;
}

/* ---- looking at what came out ---- */

void rn_pickle_free(struct rn_pickle *pickle)
{
    free(pickle->value);
    free(pickle->cell);
    *pickle = (struct rn_pickle){ 0 };
}

const struct rn_pickle_value *rn_pickle_root(const struct rn_pickle *pickle)
{
    return &pickle->value[pickle->root];
}

const struct rn_pickle_global *rn_pickle_global(const struct rn_pickle_value *value)
{
    return value->kind == RN_P_GLOBAL ? &rn_pickle_globals[value->row] : NULL;
}

int rn_pickle_items(const struct rn_pickle *p, const struct rn_pickle_value *value, int most,
                    const struct rn_pickle_value **item)
{
    int count = 0;
    if ((value->kind != RN_P_TUPLE && value->kind != RN_P_LIST) || value->items.count > (uint32_t)most)
        return -1;
    for (uint32_t cell = value->items.first; cell != NOTHING; cell = p->cell[cell].next)
        item[count++] = &p->value[p->cell[cell].value];
    return count;
}

const struct rn_pickle_value *rn_pickle_get(const struct rn_pickle *p, const struct rn_pickle_value *dict, const char *key)
{
    const struct rn_pickle_value *found = NULL;
    for (uint32_t cell = dict->items.first; cell != NOTHING; cell = p->cell[p->cell[cell].next].next) {
        const struct rn_pickle_value *name = &p->value[p->cell[cell].value];
        if (name->kind == RN_P_TEXT && rn_text_is(name->text, key))
            found = &p->value[p->cell[p->cell[cell].next].value];
    }
    return found;
}
