/* ptx-code.h -- a kernel after decoding: what ptx-load.c makes and ptx-run.c executes. */
#ifndef TESTS_CUDA_PTX_CODE_H
#define TESTS_CUDA_PTX_CODE_H

#include "ptx.h"

enum { LANES = 32 };
static const uint32_t every_lane = 0xffffffffu;

/* A register is LANES values side by side: 4 bytes each for predicates, 16 and 32 bits, else 8 bytes. Constants and special
 * registers are laid out in the same way, so that an operand is a bank and an offset whatever it was. */
enum bank { BANK_REGISTERS, BANK_CONSTANTS, BANK_SPECIALS, BANKS };
struct operand {
    uint8_t bank, width; /* width: bytes of a lane, 4 or 8; 0: there is no operand */
    bool negated;        /* a predicate with "!" */
    uint32_t offset;
};

enum space { SPACE_GENERIC, SPACE_GLOBAL, SPACE_SHARED, SPACE_LOCAL, SPACE_CONST, SPACE_PARAM };

/* Shared, local and parameter addresses are offsets; cvta moves them to these places of the generic space. */
static const uint64_t shared_window = UINT64_C(1) << 60, local_window = UINT64_C(2) << 60, param_window = UINT64_C(3) << 60;

enum kind {
    KIND_PLAIN,   /* lane by lane, no fault */
    KIND_MEMORY,  /* may fault */
    KIND_BRANCH,
    KIND_TABLE,   /* brx: one target for each value */
    KIND_WARP,    /* waits for the lanes that its mask names: shfl, vote, bar.warp */
    KIND_BARRIER, /* waits for the block */
    KIND_EXIT,
    KIND_TRAP,
};

enum { MAX_OPERANDS = 9 };

struct warp;
struct instruction;
typedef void ptx_step(struct warp *warp, const struct instruction *i);

struct instruction {
    ptx_step *run;
    enum kind kind;
    struct operand guard; /* width 0: always */
    struct operand o[MAX_OPERANDS];
    int operands;
    int64_t offset;     /* of an address */
    enum space space;
    uint8_t bytes;      /* of an element in memory */
    uint8_t elements;   /* of a vector, 1 to 4 */
    bool is_signed, is_float;
    bool atomic;
    uint8_t mode;       /* the instruction family's own: boolean operator, shuffle, vote */
    int target;         /* a branch's */
    const int *targets; /* a table's */
    int line, source;
    const char *text;
};

struct param {
    size_t offset, bytes;
};

struct ptx_kernel {
    struct ptx_module *module;
    char *name;
    struct param *param;
    size_t params, param_bytes;
    struct instruction *code;
    uint64_t *executed;
    struct ptx_region **hint; /* where each memory instruction was last */
    int length;
    size_t register_bytes, local_bytes, shared_bytes;
    uint8_t *shared_owner; /* shared_bytes: which variable a byte belongs to; 0: none */
    bool dynamic_shared;
    char *constants;
    size_t constant_bytes;
};

struct ptx_module {
    char *text;
    struct ptx_kernel **kernel;
    size_t kernels;
    struct ptx_region *variable;
    size_t variables;
};

enum special { TID_X, TID_Y, TID_Z, NTID_X, NTID_Y, NTID_Z, CTAID_X, CTAID_Y, CTAID_Z, NCTAID_X, NCTAID_Y, NCTAID_Z, LANEID, WARPID,
               LANEMASK_EQ, LANEMASK_LE, LANEMASK_LT, LANEMASK_GE, LANEMASK_GT, SPECIALS };

/* Plain operations by their whole mnemonic: "fma.rn.f32". width: bytes of a lane, of the result first. */
struct operation {
    const char *name;
    ptx_step *run;
    uint8_t operands, width[5];
};
extern const struct operation ptx_operations[]; /* name NULL: the end */

/* Families with more modifiers than a table can hold. */
ptx_step ptx_ld, ptx_st, ptx_atom;
ptx_step ptx_mov_pack, ptx_mov_unpack;
ptx_step ptx_shfl, ptx_vote, ptx_warp_barrier;
ptx_step *ptx_compare(const char *comparison, const char *type);
int ptx_atomic(const char *operation, const char *type); /* its mode, or -1 */

enum boolean { BOOL_NONE, BOOL_AND, BOOL_OR, BOOL_XOR };
enum shuffle { SHFL_UP, SHFL_DOWN, SHFL_BFLY, SHFL_IDX };
enum vote { VOTE_ALL, VOTE_ANY, VOTE_UNI, VOTE_BALLOT };

#endif
