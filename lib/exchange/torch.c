/* torch.c -- what torch.save writes, as a zip archive (since PyTorch 1.6) or as pickles one after the other (before).
 *
 * Both hold one pickle in which tensors are calls of _rebuild_tensor_v2 on storages that lie outside of it:
 *   zip     NAME/data.pkl, and for each storage NAME/data/KEY
 *   legacy  pickles: magic number, protocol, the writer's machine, the object, a list of keys; then for each key the
 *           number of elements (8 bytes) and the elements */
#include <stdio.h>
#include <stdlib.h>

#include "exchange/private.h"

/* What a persistent id says. */
struct storage {
    struct rn_text key, type;
    enum rn_element element;
    size_t elements;
    size_t first, count; /* the part of it that is meant: legacy files have views */
    const char *data;    /* NULL: not found yet */
};

struct torch {
    struct rn_foreign *foreign;
    const char *key; /* of the dictionary that is wanted, or NULL */
    struct rn_pickle pickle;
    struct rn_zip zip; /* zip: archive and the prefix "NAME/" of its entries */
    struct rn_text prefix;
    struct storage *storage; /* by key */
    size_t storages, capacity;
    struct rn_err *err;
};

static int bad(struct torch *t, const char *what)
{
    rn_fail(t->err, RN_EXIT_DATA, "pickle: %s", what);
    return -1;
}

static bool as_size(const struct rn_pickle_value *value, size_t *size)
{
    *size = (size_t)value->integer;
    return value->kind == RN_P_INT && value->integer >= 0;
}

/* ---- storages ---- */

/* ("storage", type, key, location, elements) and in legacy files None or (key of the view, first, count). */
static int parse_storage(struct torch *t, const struct rn_pickle_value *persistent, struct storage *storage)
{
    const struct rn_pickle_value *id[6], *view[3];
    int count = rn_pickle_items(&t->pickle, &t->pickle.value[persistent->argument], 6, id);
    if (count < 1 || id[0]->kind != RN_P_TEXT || !rn_text_is(id[0]->text, "storage"))
        return bad(t, "a persistent id that is no storage");
    if (count < 5)
        return bad(t, "a storage without a type, key or size");
    const struct rn_pickle_global *type = rn_pickle_global(id[1]);
    *storage = (struct storage){ 0 };
    if (!type || type->what != RN_G_STORAGE || id[2]->kind != RN_P_TEXT || !as_size(id[4], &storage->elements))
        return bad(t, "a storage without a type, key or size");
    storage->key = id[2]->text;
    storage->type = id[1]->name;
    storage->element = type->element;
    storage->count = storage->elements;
    if (count == 5 || id[5]->kind == RN_P_NONE)
        return 0;
    if (rn_pickle_items(&t->pickle, id[5], 3, view) != 3 || !as_size(view[1], &storage->first) ||
        !as_size(view[2], &storage->count) || storage->first > storage->elements ||
        storage->count > storage->elements - storage->first)
        return bad(t, "a view that reaches out of its storage");
    return 0;
}

static int by_key(const void *a, const void *b)
{
    const struct storage *x = a, *y = b;
    return rn_text_compare(x->key, y->key);
}

static struct storage *find_storage(const struct torch *t, struct rn_text key)
{
    struct storage wanted = { .key = key };
    return t->storages ? bsearch(&wanted, t->storage, t->storages, sizeof wanted, by_key) : NULL;
}

/* The storages that the pickle speaks of, each once. A key may be spoken of with several types only in zip files. */
static int collect_storages(struct torch *t)
{
    struct storage storage;
    for (size_t i = 0; i < t->pickle.values; i++) {
        if (t->pickle.value[i].kind != RN_P_PERSISTENT)
            continue;
        if (parse_storage(t, &t->pickle.value[i], &storage) ||
            rn_grow(&t->storage, &t->capacity, t->storages + 1, sizeof *t->storage, t->err))
            return -1;
        t->storage[t->storages++] = storage;
    }
    size_t kept = 0;
    if (t->storages)
        qsort(t->storage, t->storages, sizeof *t->storage, by_key);
    for (size_t i = 0; i < t->storages; i++) {
        const struct storage *last = kept ? &t->storage[kept - 1] : NULL;
        if (last && rn_text_equal(last->key, t->storage[i].key)) {
            if (!t->zip.entry && (last->element != t->storage[i].element || last->elements != t->storage[i].elements))
                return bad(t, "a storage of two types or sizes");
            continue;
        }
        t->storage[kept++] = t->storage[i];
    }
    t->storages = kept;
    return 0;
}

/* zip: the bytes of an entry are checked when they are first asked for. */
static int find_in_zip(struct torch *t, struct storage *storage, size_t *size)
{
    char shown[256];
    struct rn_buffer name = { 0 };
    struct rn_text bytes;
    int rc = rn_buffer_add(&name, t->prefix.data, t->prefix.length, t->err) || rn_buffer_add(&name, "data/", 5, t->err) ||
             rn_buffer_add(&name, storage->key.data, storage->key.length, t->err) ? -1 : 0;
    const struct rn_zip_entry *entry = rc ? NULL : rn_zip_find(&t->zip, (struct rn_text){ name.data, name.length });
    if (rc == 0 && !entry)
        rc = rn_fail(t->err, RN_EXIT_DATA, "storage '%s' is not in the archive", rn_text_show(storage->key, shown));
    if (rc == 0 && storage->data)
        *size = entry->size;
    else if (rc == 0 && (rc = rn_zip_get(&t->zip, entry, &bytes, t->err)) == 0) {
        storage->data = bytes.data;
        *size = bytes.length;
    }
    rn_buffer_free(&name);
    return rc;
}

/* The storage that a tensor wants, with its data. */
static int resolve(struct torch *t, struct storage *wanted)
{
    char shown[256];
    size_t size, bytes;
    struct storage *known = find_storage(t, wanted->key);
    if (!known)
        return bad(t, "a storage that was not there before");
    if (t->zip.entry) {
        if (find_in_zip(t, known, &size))
            return -1;
        if (!rn_mul(wanted->elements, rn_element_size(wanted->element), &bytes) || bytes != size)
            return rn_fail(t->err, RN_EXIT_DATA, "storage '%s' is said to have %zu elements but has %zu bytes",
                           rn_text_show(wanted->key, shown), wanted->elements, size);
    }
    if (!known->data)
        return rn_fail(t->err, RN_EXIT_DATA, "storage '%s' has no data", rn_text_show(wanted->key, shown));
    wanted->data = known->data;
    return 0;
}

/* ---- tensors ---- */

/* A tuple of sizes: how many, or -1. */
static int sizes(const struct torch *t, const struct rn_pickle_value *tuple, size_t size[RN_DIMS])
{
    const struct rn_pickle_value *item[RN_DIMS];
    int count = rn_pickle_items(&t->pickle, tuple, RN_DIMS, item);
    for (int i = 0; i < count; i++)
        if (!as_size(item[i], &size[i]))
            return -1;
    return count;
}

static int cannot(struct torch *t, struct rn_text name, struct rn_text what)
{
    char shown[2][256];
    return rn_fail(t->err, RN_EXIT_DATA, "'%s' is of %s: real numbers and integers can be read, nothing else",
                   rn_text_show(name, shown[0]), rn_text_show(what, shown[1]));
}

/* The bits that PyTorch keeps beside a view: {'neg': True}, {'conj': True}. */
static int take_bits(struct torch *t, struct rn_text name, const struct rn_pickle_value *bits, struct rn_strided *view)
{
    const struct rn_pickle_value *value;
    if (bits->kind != RN_P_DICT)
        return bits->kind == RN_P_NONE ? 0 : bad(t, "a tensor whose metadata are no dictionary");
    uint32_t cell = bits->items.first;
    for (uint32_t left = bits->items.count; left; left -= 2, cell = t->pickle.cell[t->pickle.cell[cell].next].next) {
        const struct rn_pickle_value *key = &t->pickle.value[t->pickle.cell[cell].value];
        value = &t->pickle.value[t->pickle.cell[t->pickle.cell[cell].next].value];
        bool set = value->kind != RN_P_BOOL || value->integer, negative = key->kind == RN_P_TEXT && rn_text_is(key->text, "neg");
        if (set && !negative)
            return cannot(t, name, RN_TEXT("a conjugate or otherwise marked view"));
        view->negative = negative ? set : view->negative;
    }
    return view->negative && view->element < RN_E_F16 ? cannot(t, name, RN_TEXT("a negative view of integers")) : 0;
}

/* What the elements are: the storage says it, or for v3, whose storages are bytes, the seventh argument. */
static int find_type(struct torch *t, const struct rn_torch_call *call, struct rn_text name, const struct storage *storage,
                     enum rn_element *element)
{
    struct rn_text called = storage->type;
    *element = storage->element;
    if (rn_pickle_global(call->function)->what == RN_G_TENSOR_V3) {
        const struct rn_pickle_global *type = rn_pickle_global(call->argument[6]);
        if (!type || type->what != RN_G_DTYPE || storage->element != RN_E_U8)
            return bad(t, "a tensor without a type, or with two");
        *element = type->element;
        called = call->argument[6]->name;
    }
    return rn_element_known(*element) ? 0 : cannot(t, name, called);
}

/* _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks[, metadata]); v3 has the type before the metadata, and a
 * storage of bytes; the first one has the first four. */
static int add_tensor(struct torch *t, struct rn_text name, const struct rn_pickle_value *value)
{
    struct rn_torch_call call;
    struct rn_strided view = { 0 };
    struct storage storage;
    if (!rn_torch_call(&t->pickle, value, &call))
        return bad(t, "a tensor with other arguments than PyTorch's");
    const struct rn_pickle_global *what = rn_pickle_global(call.function);
    if (what->what == RN_G_ODD_TENSOR)
        return cannot(t, name, call.function->name);
    int metadata = what->what == RN_G_TENSOR_V3 ? 7 : 6;
    if ((call.count < metadata && (call.count != 4 || metadata == 7)) || call.count > metadata + 1 ||
        call.argument[0]->kind != RN_P_PERSISTENT)
        return bad(t, "a tensor with other arguments than PyTorch's");
    if (parse_storage(t, call.argument[0], &storage) || find_type(t, &call, name, &storage, &view.element) || resolve(t, &storage))
        return -1;
    view.dims = sizes(t, call.argument[2], view.shape);
    if (view.dims < 0 || sizes(t, call.argument[3], view.stride) != view.dims || !as_size(call.argument[1], &view.offset))
        return bad(t, "a tensor whose shape, strides or offset are not what they must be");
    view.elements = storage.count / (rn_element_size(view.element) / rn_element_size(storage.element));
    view.storage = storage.data + storage.first * rn_element_size(storage.element);
    if (call.count > metadata && take_bits(t, name, call.argument[metadata], &view))
        return -1;
    return rn_foreign_add(t->foreign, name, &view, t->err);
}

/* ---- the state dict ---- */

static int read_state_dict(struct torch *t)
{
    const struct rn_pickle *p = &t->pickle;
    const struct rn_pickle_value *dict;
    if (rn_choose_dict(p, t->key, &dict, &t->foreign->others, t->err))
        return -1;
    uint32_t cell = dict->items.first;
    for (uint32_t left = dict->items.count; left; left -= 2, cell = p->cell[p->cell[cell].next].next) {
        const struct rn_pickle_value *key = &p->value[p->cell[cell].value];
        const struct rn_pickle_value *value = &p->value[p->cell[p->cell[cell].next].value];
        struct rn_text name = key->kind == RN_P_TEXT ? key->text : RN_TEXT("(no text)");
        if (value->kind == RN_P_CALL && key->kind != RN_P_TEXT)
            return bad(t, "a tensor whose name is no text");
        if (value->kind == RN_P_CALL ? add_tensor(t, name, value) : rn_texts_add(&t->foreign->left_out, name, t->err))
            return -1;
    }
    return 0;
}

static void free_torch(struct torch *t)
{
    rn_pickle_free(&t->pickle);
    rn_zip_free(&t->zip);
    free(t->storage);
}

/* ---- zip ---- */

/* The one entry NAME/data.pkl: its name says the prefix of all. */
static int find_prefix(struct torch *t, const struct rn_zip_entry **pickle)
{
    static const char file[] = "/data.pkl";
    *pickle = NULL;
    for (size_t i = 0; i < t->zip.count; i++) {
        struct rn_text name = t->zip.entry[i].name;
        const char *slash = memchr(name.data, '/', name.length);
        if (!slash || name.length - (size_t)(slash - name.data) != strlen(file) || memcmp(slash, file, strlen(file)))
            continue;
        if (*pickle)
            return rn_fail(t->err, RN_EXIT_DATA, "zip: several data.pkl: not a file of PyTorch");
        *pickle = &t->zip.entry[i];
        t->prefix = (struct rn_text){ name.data, (size_t)(slash - name.data) + 1 };
    }
    return *pickle ? 0 : rn_fail(t->err, RN_EXIT_DATA, "zip: no NAME/data.pkl: not a file of PyTorch");
}

static int check_byte_order(struct torch *t)
{
    struct rn_buffer name = { 0 };
    struct rn_text order = RN_TEXT("little");
    int rc = rn_buffer_add(&name, t->prefix.data, t->prefix.length, t->err) ||
             rn_buffer_add(&name, "byteorder", 9, t->err) ? -1 : 0;
    const struct rn_zip_entry *entry = rc ? NULL : rn_zip_find(&t->zip, (struct rn_text){ name.data, name.length });
    if (entry)
        rc = rn_zip_get(&t->zip, entry, &order, t->err);
    if (rc == 0 && !rn_text_is(order, "little"))
        rc = rn_fail(t->err, RN_EXIT_DATA, "the numbers are not little-endian");
    rn_buffer_free(&name);
    return rc;
}

/* torch.jit.save's archives have programs beside the data. */
static int check_script(struct torch *t)
{
    for (size_t i = 0; i < t->zip.count; i++) {
        struct rn_text name = t->zip.entry[i].name;
        if (name.length > 14 && !memcmp(name.data + name.length - 14, "/constants.pkl", 14))
            return rn_fail(t->err, RN_EXIT_DATA, "a TorchScript program, not weights: "
                                                 "torch.save(torch.jit.load(FILE).state_dict(), NEW) saves those");
    }
    return 0;
}

static int read_zip(struct torch *t, struct rn_text bytes)
{
    const struct rn_zip_entry *entry;
    struct rn_text pickle;
    size_t at = 0;
    if (rn_zip_open(&t->zip, bytes, t->err) || check_script(t) || find_prefix(t, &entry) || check_byte_order(t) ||
        rn_zip_get(&t->zip, entry, &pickle, t->err))
        return -1;
    if (rn_pickle_load(&t->pickle, pickle, &at, t->err))
        return rn_fail_at(t->err, "data.pkl");
    if (at != pickle.length)
        return rn_fail(t->err, RN_EXIT_DATA, "data.pkl: byte %zu: something follows the pickle", at);
    return collect_storages(t) || read_state_dict(t) ? -1 : 0;
}

int rn_torch_zip_read(struct rn_foreign *foreign, struct rn_text bytes, const char *key, struct rn_err *err)
{
    struct torch t = { .foreign = foreign, .key = key, .err = err };
    int rc = read_zip(&t, bytes);
    free_torch(&t);
    return rc;
}

/* ---- legacy ---- */

static int check_magic(struct torch *t, struct rn_text bytes, size_t *at)
{
    static const char magic[] = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    const struct rn_pickle_value *root;
    if (rn_pickle_load(&t->pickle, bytes, at, t->err))
        return -1;
    root = rn_pickle_root(&t->pickle);
    if (root->kind != RN_P_LONG || !rn_text_equal(root->text, (struct rn_text){ magic, sizeof magic - 1 }))
        return bad(t, "not one that torch.save wrote");
    rn_pickle_free(&t->pickle);
    if (rn_pickle_load(&t->pickle, bytes, at, t->err))
        return -1;
    root = rn_pickle_root(&t->pickle);
    if (root->kind != RN_P_INT || root->integer != 1001)
        return bad(t, "another version of torch.save's format than 1001");
    rn_pickle_free(&t->pickle);
    return 0;
}

static int check_machine(struct torch *t, struct rn_text bytes, size_t *at)
{
    if (rn_pickle_load(&t->pickle, bytes, at, t->err))
        return -1;
    const struct rn_pickle_value *root = rn_pickle_root(&t->pickle), *little = NULL;
    if (root->kind == RN_P_DICT)
        little = rn_pickle_get(&t->pickle, root, "little_endian");
    if (!little || little->kind != RN_P_BOOL || !little->integer)
        return bad(t, "the numbers are not little-endian");
    rn_pickle_free(&t->pickle);
    return 0;
}

/* The elements of one storage, which begin at *at. */
static int place_storage(struct torch *t, struct rn_text bytes, size_t *at, struct rn_text key)
{
    char shown[256];
    size_t size;
    struct storage *storage = find_storage(t, key);
    if (!storage || storage->data)
        return rn_fail(t->err, RN_EXIT_DATA, "storage '%s': no tensor has it, or it comes twice", rn_text_show(key, shown));
    if (bytes.length - *at < 8 || rn_le64(bytes.data + *at) != storage->elements ||
        !rn_mul(storage->elements, rn_element_size(storage->element), &size) || size > bytes.length - *at - 8)
        return rn_fail(t->err, RN_EXIT_DATA, "byte %zu: storage '%s' has not the %zu elements that it is said to have", *at,
                       rn_text_show(key, shown), storage->elements);
    storage->data = bytes.data + *at + 8;
    *at += 8 + size;
    return 0;
}

static int place_storages(struct torch *t, struct rn_text bytes, size_t *at)
{
    struct rn_pickle keys = { 0 };
    int rc = rn_pickle_load(&keys, bytes, at, t->err);
    const struct rn_pickle_value *list = rc ? NULL : rn_pickle_root(&keys);
    if (rc == 0 && list->kind != RN_P_LIST)
        rc = bad(t, "no list of storages");
    uint32_t cell = rc ? 0 : list->items.first;
    for (uint32_t left = rc ? 0 : list->items.count; left && rc == 0; left--, cell = keys.cell[cell].next) {
        const struct rn_pickle_value *key = &keys.value[keys.cell[cell].value];
        rc = key->kind == RN_P_TEXT ? place_storage(t, bytes, at, key->text) : bad(t, "a storage whose key is no text");
    }
    if (rc == 0 && *at != bytes.length)
        rc = rn_fail(t->err, RN_EXIT_DATA, "byte %zu: something follows the last storage", *at);
    rn_pickle_free(&keys);
    return rc;
}

int rn_torch_legacy_read(struct rn_foreign *foreign, struct rn_text bytes, const char *key, struct rn_err *err)
{
    struct torch t = { .foreign = foreign, .key = key, .err = err };
    size_t at = 0;
    int rc = check_magic(&t, bytes, &at) || check_machine(&t, bytes, &at) || rn_pickle_load(&t.pickle, bytes, &at, err) ||
             collect_storages(&t) || place_storages(&t, bytes, &at) || read_state_dict(&t) ? -1 : 0;
    free_torch(&t);
    return rc;
}
