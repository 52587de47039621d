/* rn-augment -- Albumentations' transforms: for each photo one output a recipe and copy.
 * stdin: samples, images. stdout: images; with --write samples. exit: 1 when photos became error records (-k). */
#include <stdlib.h>
#include <string.h>

#include "augment/work.h"
#include "core/mem.h"
#include "core/threads.h"
#include "tools/decoders.h"

struct opts {
    const char *recipe, *probability, *folder, *split, *replay;
    int64_t copies, jobs, quality;
    uint64_t seed, max_pixels;
    bool keep, keep_going, explain, no_exif, png, until_normalize, no_sandbox;
};

static const struct rn_opt options[] = {
    { 'r', "recipe", RN_OPT_TEXT, RN_AT(opts, recipe), 0, 0, "shipped recipes, or files that A.save wrote", "NAME|FILE.json,.." },
    { 'p', "probability", RN_OPT_TEXT, RN_AT(opts, probability), 0, 0, "chance in shipped recipes: low is 0.1, mid 0.3, high 0.5 [low]", "low|mid|high|X" },
    { 'n', "copies", RN_OPT_INT, RN_AT(opts, copies), 1, 1e6, "outputs of each recipe for each photo" },
    { 0, "split", RN_OPT_TEXT, RN_AT(opts, split), 0, 0, "augment photos of these splits, and of none; all: of every split", "NAME,..|all" },
    { 0, "until-normalize", RN_OPT_FLAG, RN_AT(opts, until_normalize), 0, 0, "leave out a Normalize at the end of a recipe, and what follows it" },
    { 0, "keep", RN_OPT_FLAG, RN_AT(opts, keep), 0, 0, "pass the originals on, too" },
    { 's', "seed", RN_OPT_SEED, RN_AT(opts, seed), 0, 0, "of everything random" },
    { 'j', "jobs", RN_OPT_INT, RN_AT(opts, jobs), 1, 1024, "threads [the cores]", NULL, RN_OPT_HOW },
    { 'k', "keep-going", RN_OPT_FLAG, RN_AT(opts, keep_going), 0, 0, "what fails becomes an error record" },
    { 0, "write", RN_OPT_TEXT, RN_AT(opts, folder), 0, 0, "write DIR/class/name-recipe-copy.jpg, and a stream of samples", "DIR" },
    { 0, "quality", RN_OPT_INT, RN_AT(opts, quality), 1, 100, "of the JPEG files" },
    { 0, "png", RN_OPT_FLAG, RN_AT(opts, png), 0, 0, "write PNG files" },
    { 0, "explain", RN_OPT_FLAG, RN_AT(opts, explain), 0, 0, "say in each record what ran and what it drew (key augment)" },
    { 0, "replay", RN_OPT_TEXT, RN_AT(opts, replay), 0, 0, "draw nothing: do again what this output of --explain says", "FILE", RN_OPT_HOW },
    { 0, "max-pixels", RN_OPT_COUNT, RN_AT(opts, max_pixels), 1, 1e12, "refuse larger photos, by their header" },
    { 0, "no-exif", RN_OPT_FLAG, RN_AT(opts, no_exif), 0, 0, "do not turn photos as their EXIF or XMP orientation says" },
    RN_OPT_NO_SANDBOX(no_sandbox),
    RN_OPT_LAST,
};
static const struct opts defaults = { .recipe = "basic,affine,distort", .copies = 1, .jobs = -1, .seed = 1234,
                                      .max_pixels = 178956970,
                                       .quality = 95, .split = "train" };

static int load(struct rn_recipe *recipe, const char *name, const struct opts *opts, bool quiet, struct rn_err *err)
{
    if (rn_recipe_named(recipe, name, opts->probability, err))
        return -1;
    if (opts->until_normalize && rn_recipe_until_normalize(recipe) && !quiet)
        rn_note("%s: its Normalize is left to who reads the pictures (--until-normalize)", name);
    if (recipe->floats && opts->folder)
        return rn_fail(err, RN_EXIT_USAGE, "%s: gives floats (Normalize): --write makes files of 8-bit pixels%s", name,
                       opts->until_normalize ? "" : " (--until-normalize leaves it out)");
    if (recipe->tensors && !quiet)
        rn_note("%s: ToTensorV2 changes nothing here: pictures stay height x width x 3", name);
    return 0;
}

/* Each recipe of the list, in turn; names go into ids and files, so they differ. *recipes: owned by the caller, in any case. */
static int load_all(struct rn_recipe **recipes, size_t *count, const struct opts *opts, bool quiet, struct rn_err *err)
{
    size_t room = 1;
    for (const char *at = opts->recipe; *at; at++)
        room += *at == ',';
    char *list = strdup(opts->recipe), *rest = list;
    int rc = !list || !(*recipes = rn_calloc(room, sizeof **recipes, err)) ? -1 : 0;
    for (char *name; rc == 0 && (name = strsep(&rest, ","));) {
        struct rn_recipe *recipe = &(*recipes)[(*count)++];
        rc = load(recipe, name, opts, quiet, err);
        for (size_t i = 0; rc == 0 && i + 1 < *count; i++)
            if (rn_text_equal((*recipes)[i].name, recipe->name))
                rc = rn_fail(err, RN_EXIT_USAGE, "--recipe: two are called %s", recipe->name.data);
    }
    free(list);
    return rc;
}

/* *split: NULL, or what the list says; owned by the caller, and so is what it borrows from. */
static int parse_split(struct rn_texts *split, char **list, const char *text, struct rn_err *err)
{
    char *rest = *list = strdup(text);
    if (!rest)
        return rn_fail(err, RN_EXIT_SYSTEM, "out of memory");
    for (char *name; (name = strsep(&rest, ","));)
        if (!*name || rn_texts_add(split, rn_text(name), err))
            return *name ? -1 : rn_fail(err, RN_EXIT_USAGE, "--split: '%s' has a name that is empty", text);
    return 0;
}

/* What was left alone, and why. */
static void tell(const struct opts *opts, const struct rn_augment_done *done)
{
    if (done->other_splits)
        rn_note("photos of other splits than %s, not augmented: %llu (--split all augments them)", opts->split,
                (unsigned long long)done->other_splits);
    if (done->there)
        rn_note("files that were there already: %llu", (unsigned long long)done->there);
    if (done->replaced)
        rn_note("files that were replaced: %llu", (unsigned long long)done->replaced);
    rn_note_failures(&done->failed);
}

static void show(void *context, uint64_t photos)
{
    rn_progress_show(context, false, "%llu photos", (unsigned long long)photos);
}

static int run(const void *options_, const struct rn_args *args, struct rn_err *err)
{
    const struct opts *opts = options_;
    struct rn_progress progress = rn_progress_begin(args);
    struct rn_texts split = { 0 };
    struct rn_augment_plan plan = {
        .copies = opts->copies, .seed = opts->seed, .jobs = opts->jobs > 0 ? (int)opts->jobs : rn_threads_default(),
        .keep = opts->keep,
        .keep_going = opts->keep_going, .explain = opts->explain, .folder = opts->folder, .tool = &rn_tool, .options = opts,
        .decode = { .max_pixels = opts->max_pixels, .exif = !opts->no_exif }, .progress = show, .progress_context = &progress,
        .quality = opts->png ? 0 : (int)opts->quality, .split = strcmp(opts->split, "all") ? &split : NULL,
        .check_first = !strcmp(opts->recipe, defaults.recipe) && !opts->keep_going && !opts->replay,
    };
    struct rn_replay *replay = NULL;
    struct rn_recipe *recipes = NULL;
    struct rn_reader *reader = NULL;
    struct rn_writer *writer = NULL;
    struct rn_augment_done done = { 0 };
    char *list = NULL;
    int rc = parse_split(&split, &list, opts->split, err) || load_all(&recipes, &plan.recipes, opts, args->quiet, err) ||
             (opts->replay && rn_replay_open(&replay, opts->replay, err)) ||
             rn_writer_open(&writer, args->output, err) || rn_reader_open(&reader, args->operand, args->operands, err) ||
             (!opts->no_sandbox && rn_decode_apart(&plan.decode, plan.jobs, args->quiet, err)) ? -1 : 0;
    plan.recipe = recipes;
    plan.replay = replay;
    if (rc == 0)
        rc = rn_augment_all(reader, writer, &plan, &done, err);
    rn_progress_end(&progress);
    rn_decoders_end(plan.decode.apart);
    rn_reader_close(reader);
    rn_replay_close(replay);
    for (size_t i = 0; i < plan.recipes; i++)
        rn_recipe_free(&recipes[i]);
    free(recipes);
    rn_texts_free(&split);
    free(list);
    if (rc)
        return rn_writer_discard(writer), -1;
    if (rn_writer_close(writer, err))
        return -1;
    if (!args->quiet)
        tell(opts, &done);
    return done.failed.count ? RN_EXIT_NO : RN_EXIT_OK;
}

const struct rn_tool rn_tool = {
    .name = "rn-augment", .operands = "[FILE...]", .summary = "augment photos as Albumentations does", .options = options,
    .environment = RN_ENV_RECORD_MAX,
    .size = sizeof(struct opts), .defaults = &defaults, .run = run,
    .about = "Reads samples and images and writes one picture for each photo, recipe and copy, with the id ID#recipe.copy and the "
             "photo's label and split. Transforms, parameters, chances and pixels are those of Albumentations 1.3.\n\n"
             "Shipped recipes: basic (crop to 224 x 224, brightness, contrast), affine (transpose, rotate or shift, flip), distort "
             "(blur, one change of colour or shape, noise, shadow). They are files as A.save(pipeline, 'x.json') writes them, and "
             "such files of Albumentations 1.0 to 1.3, and some of 1.4, run, with more than fifty transforms in Compose OneOf "
             "SomeOf Sequential OneOrOther ReplayCompose: rn-recipes(7) lists them, says where pixels may differ, and what files "
             "of later versions call them. After Normalize pictures are floats, which rn-batch and --write refuse: "
             "--until-normalize leaves it to them.\n\n"
             "Of a dataset that is split, only train is augmented, so that no copy of a photo is in two splits; --split says which "
             "others.\n\n"
             "--write leaves a file that is there with the same bytes as it is, so that a run that was killed goes on, and counts "
             "those that it replaced. Of two photos that differ in their endings only the second one's is kept in the name: "
             "x.png-affine-1.jpg.\n\n"
             "What is drawn is a function of seed, id, copy and the transform's place in its recipe: the same for any -j, any "
             "order of the input and any sharding. The program that this replaces wrote the three results of a photo to one file, "
             "of which the last was left, and the first of them as normalised floats; here each has its own, and basic leaves the "
             "normalisation to the consumer.\n\n"
             "--replay takes the records of --explain, whose ids are those that this run will write, instead of random numbers: "
             "with the other options of the run that wrote them the output is the same bytes; with other photos of the same ids "
             "(masks, another size) these are changed in the same way. A record that is missing, or that does not fit recipe or "
             "picture, is exit 3.\n\n"
             "--write writes nothing through links that lie in DIR. A file whose name is too long, or where a link or a file lies "
             "in the place of its folder, becomes an error record, with or without -k: exit 1.",
    .examples = "rn-pick split=train all.rn | rn-augment -p low -n 2 > extra.rn\n"
                "rn-list photos/ | rn-augment -r affine,mine.json --write augmented/ > written.rn\n"
                "seq 8 | parallel -k 'rn-pick --shard {}/8 all.rn | rn-augment -p mid' > augmented.rn",
};
