/* globals.c -- what a pickle may name. None of it is ever called: a row says what a call would have made, a tensor or a
 * dictionary, which are looked into, or a value that is passed over. A row of the last kind is a class, or a function that
 * makes a value of its arguments and does nothing else; everything that is not here is refused. */
#include "exchange/private.h"

#define STORAGE(names, element) { "torch torch.cuda torch.storage", names, RN_G_STORAGE, element }
#define DTYPE(names, element) { "torch", names, RN_G_DTYPE, element }
#define OPAQUE(modules, names) { modules, names, RN_G_OPAQUE, 0 }
#define DICT(modules, names) { modules, names, RN_G_DICT, 0 }

const struct rn_pickle_global rn_pickle_globals[] = {
    { "collections", "OrderedDict", RN_G_ORDERED_DICT, 0 },
    DICT("collections", "defaultdict Counter"),

    /* PyTorch's tensors */
    { "torch._utils", "_rebuild_tensor _rebuild_tensor_v2", RN_G_TENSOR, 0 },
    { "torch._utils", "_rebuild_tensor_v3", RN_G_TENSOR_V3, 0 },
    { "torch._utils", "_rebuild_parameter _rebuild_parameter_with_state", RN_G_PARAMETER, 0 },
    { "torch._tensor torch.tensor", "_rebuild_from_type _rebuild_from_type_v2", RN_G_FROM_TYPE, 0 },
    { "torch._utils", "_rebuild_qtensor _rebuild_sparse_tensor _rebuild_sparse_csr_tensor _rebuild_nested_tensor "
                      "_rebuild_meta_tensor_no_storage _rebuild_wrapper_subclass _rebuild_device_tensor_from_numpy "
                      "_rebuild_device_tensor_from_cpu_tensor _rebuild_xla_tensor", RN_G_ODD_TENSOR, 0 },
    STORAGE("FloatStorage", RN_E_F32), STORAGE("DoubleStorage", RN_E_F64), STORAGE("HalfStorage", RN_E_F16),
    STORAGE("BFloat16Storage", RN_E_BF16), STORAGE("LongStorage", RN_E_I64), STORAGE("IntStorage", RN_E_I32),
    STORAGE("ShortStorage", RN_E_I16), STORAGE("CharStorage", RN_E_I8), STORAGE("ByteStorage UntypedStorage", RN_E_U8),
    STORAGE("BoolStorage", RN_E_BOOL), STORAGE("ComplexFloatStorage", RN_E_OTHER8), STORAGE("ComplexDoubleStorage", RN_E_OTHER16),
    STORAGE("QInt8Storage QUInt8Storage QUInt4x2Storage QUInt2x4Storage", RN_E_OTHER1), STORAGE("QInt32Storage", RN_E_OTHER4),
    DTYPE("float32 float", RN_E_F32), DTYPE("float64 double", RN_E_F64), DTYPE("float16 half", RN_E_F16),
    DTYPE("bfloat16", RN_E_BF16), DTYPE("int64 long", RN_E_I64), DTYPE("int32 int", RN_E_I32), DTYPE("int16 short", RN_E_I16),
    DTYPE("int8", RN_E_I8), DTYPE("uint8", RN_E_U8), DTYPE("uint16", RN_E_U16), DTYPE("uint32", RN_E_U32),
    DTYPE("uint64", RN_E_U64), DTYPE("bool", RN_E_BOOL), DTYPE("float8_e4m3fn", RN_E_F8_E4M3), DTYPE("float8_e5m2", RN_E_F8_E5M2),
    DTYPE("float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu float4_e2m1fn_x2 bits8 bits1x8 bits2x4 bits4x2 qint8 quint8 quint4x2 "
          "quint2x4 int1 int2 int3 int4 int5 int6 int7 uint1 uint2 uint3 uint4 uint5 uint6 uint7", RN_E_OTHER1),
    DTYPE("bits16", RN_E_OTHER2), DTYPE("complex32 qint32 chalf", RN_E_OTHER4), DTYPE("complex64 cfloat", RN_E_OTHER8),
    DTYPE("complex128 cdouble", RN_E_OTHER16),

    /* what else of PyTorch stands in checkpoints */
    OPAQUE("torch", "Size device Tensor contiguous_format channels_last channels_last_3d preserve_format strided sparse_coo "
                    "per_tensor_affine per_tensor_symmetric per_channel_affine per_channel_symmetric "
                    "per_channel_affine_float_qparams"),
    OPAQUE("torch torch.cuda", "FloatTensor DoubleTensor HalfTensor BFloat16Tensor LongTensor IntTensor ShortTensor CharTensor "
                               "ByteTensor BoolTensor"),
    OPAQUE("torch.serialization", "_get_layout"),
    OPAQUE("torch.storage", "TypedStorage"),
    OPAQUE("torch.torch_version", "TorchVersion"),
    OPAQUE("torch.nn.parameter", "Parameter Buffer"),
    OPAQUE("torch.optim.sgd", "SGD"), OPAQUE("torch.optim.adam", "Adam"), OPAQUE("torch.optim.adamw", "AdamW"),
    OPAQUE("torch.optim.nadam", "NAdam"), OPAQUE("torch.optim.radam", "RAdam"), OPAQUE("torch.optim.adagrad", "Adagrad"),
    OPAQUE("torch.optim.adadelta", "Adadelta"), OPAQUE("torch.optim.rmsprop", "RMSprop"),
    OPAQUE("torch.optim.lr_scheduler", "StepLR MultiStepLR ConstantLR LinearLR ExponentialLR PolynomialLR CosineAnnealingLR "
                                       "CosineAnnealingWarmRestarts ReduceLROnPlateau CyclicLR OneCycleLR SequentialLR"),
    OPAQUE("torch.nn.modules.loss", "CrossEntropyLoss NLLLoss BCELoss BCEWithLogitsLoss MSELoss L1Loss SmoothL1Loss KLDivLoss"),

    /* Python's own; __builtin__ and copy_reg are what protocol 2 calls builtins and copyreg */
    OPAQUE("builtins __builtin__", "list dict int long float str unicode bytes bytearray bool complex tuple set frozenset object "
                                   "slice range xrange"),
    OPAQUE("copyreg copy_reg", "_reconstructor"),
    OPAQUE("_codecs", "encode"),
    OPAQUE("collections", "deque UserDict UserList UserString"), OPAQUE("UserDict", "UserDict"), OPAQUE("UserList", "UserList"),
    OPAQUE("argparse", "Namespace"), OPAQUE("types", "SimpleNamespace"), OPAQUE("typing", "Any"),
    OPAQUE("datetime", "datetime date time timedelta timezone"), OPAQUE("time", "struct_time"),
    OPAQUE("decimal", "Decimal"), OPAQUE("fractions", "Fraction"), OPAQUE("uuid", "UUID SafeUUID"),
    OPAQUE("pathlib pathlib._local", "Path PurePath PosixPath PurePosixPath WindowsPath PureWindowsPath"),

    /* numpy's arrays, scalars and generators */
    OPAQUE("numpy.core.multiarray numpy._core.multiarray", "scalar _reconstruct"),
    OPAQUE("numpy.core.numeric numpy._core.numeric", "_frombuffer"),
    OPAQUE("numpy", "ndarray dtype bool_ bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 longdouble "
                    "complex64 complex128 str_ bytes_ datetime64 timedelta64"),
    OPAQUE("numpy.random._pickle", "__randomstate_ctor __generator_ctor __bit_generator_ctor"),
    OPAQUE("numpy.random.bit_generator", "SeedSequence __pyx_unpickle_SeedSequence"), OPAQUE("numpy.random._mt19937", "MT19937"),
    OPAQUE("numpy.random._pcg64", "PCG64 PCG64DXSM"),

    /* settings and helpers of training programs */
    DICT("easydict", "EasyDict"), DICT("addict.addict", "Dict"), DICT("yacs.config fvcore.common.config", "CfgNode"),
    DICT("ml_collections.config_dict.config_dict", "ConfigDict FrozenConfigDict"),
    DICT("mmengine.config.config mmcv.utils.config", "ConfigDict"),
    DICT("lightning_fabric.utilities.data lightning.fabric.utilities.data pytorch_lightning.utilities.parsing "
         "lightning.pytorch.utilities.parsing", "AttributeDict"),
    OPAQUE("omegaconf.dictconfig", "DictConfig"), OPAQUE("omegaconf.listconfig", "ListConfig"),
    OPAQUE("omegaconf.base", "ContainerMetadata Metadata"),
    OPAQUE("omegaconf.nodes", "AnyNode StringNode IntegerNode FloatNode BooleanNode BytesNode PathNode"),
    OPAQUE("mmengine.logging.history_buffer", "HistoryBuffer"),
    OPAQUE("pytorch_lightning.callbacks.model_checkpoint lightning.pytorch.callbacks.model_checkpoint", "ModelCheckpoint"),
    OPAQUE("pytorch_lightning.callbacks.early_stopping lightning.pytorch.callbacks.early_stopping", "EarlyStopping"),
    OPAQUE("torchvision.transforms.functional", "InterpolationMode"), OPAQUE("PIL.Image", "Resampling"),
    OPAQUE("sklearn.preprocessing._label sklearn.preprocessing.label", "LabelEncoder LabelBinarizer"),
    { 0 },
};

/* Whether the text is one of the words, which have spaces between them. */
static bool is_word(const char *words, struct rn_text text)
{
    for (size_t length; *words; words += length + (words[length] == ' ')) {
        length = strcspn(words, " ");
        if (rn_text_equal((struct rn_text){ words, length }, text))
            return true;
    }
    return false;
}

const struct rn_pickle_global *rn_pickle_global_find(struct rn_text module, struct rn_text name)
{
    for (const struct rn_pickle_global *row = rn_pickle_globals; row->modules; row++)
        if (is_word(row->modules, module) && is_word(row->names, name))
            return row;
    return NULL;
}

bool rn_pickle_global_runs(struct rn_text module, struct rn_text name)
{
    static const char *const modules =
        "os posix nt sys subprocess commands popen2 shutil socket pty runpy importlib imp ctypes code codeop bdb pdb profile "
        "cProfile timeit trace operator pickle _pickle cPickle marshal shelve tempfile webbrowser urllib urllib.request requests "
        "pip asyncio multiprocessing threading signal platform pydoc torch.hub torch.jit torch.serialization torch.storage";
    static const char *const functions = "eval exec execfile compile open file input __import__ breakpoint";
    return is_word(modules, module) || (is_word("builtins __builtin__", module) && is_word(functions, name));
}
