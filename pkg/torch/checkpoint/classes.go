package checkpoint

import (
	"errors"
	"regexp"
	"strings"

	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// Classes of OmegaConf, which is how the Python package stores configs.
var (
	DictConfig = pickle.Class{Module: "omegaconf.dictconfig", Name: "DictConfig"}
	listConfig = pickle.Class{Module: "omegaconf.listconfig", Name: "ListConfig"}
)

const nodesModule = "omegaconf.nodes"

var sizeClass = pickle.Class{Module: "torch", Name: "Size"}

// storageTypes are PyTorch's typed storages (Untyped: bytes).
var storageTypes = map[string]ndarray.DType{
	"FloatStorage": ndarray.Float32, "DoubleStorage": ndarray.Float64,
	"HalfStorage": ndarray.Float16, "BFloat16Storage": ndarray.BFloat16,
	"CharStorage": ndarray.Int8, "ShortStorage": ndarray.Int16, "IntStorage": ndarray.Int32, "LongStorage": ndarray.Int64,
	"ByteStorage": ndarray.Uint8, "BoolStorage": ndarray.Bool,
}

var untypedStorage = pickle.Class{Module: "torch.storage", Name: "UntypedStorage"}

// torchTypes are PyTorch's element types.
var torchTypes = map[string]ndarray.DType{
	"float32": ndarray.Float32, "float64": ndarray.Float64, "float16": ndarray.Float16, "bfloat16": ndarray.BFloat16,
	"int8": ndarray.Int8, "int16": ndarray.Int16, "int32": ndarray.Int32, "int64": ndarray.Int64,
	"uint8": ndarray.Uint8, "uint16": ndarray.Uint16, "uint32": ndarray.Uint32, "uint64": ndarray.Uint64,
	"bool": ndarray.Bool,
}

// opaqueModules are modules whose classes and functions a checkpoint may hold; their
// instances stay opaque. Files of older models hold whole PyTorch modules.
var opaqueModules = []string{
	"openretina.modules.", "openretina.models.", "torch.nn.modules.", "torch.nn.functional.", "torch._C._nn.",
	"omegaconf.nodes.", "omegaconf.base.",
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// find is the allow-list.
func (l *loader) find(c pickle.Class) (pickle.Constructor, error) {
	switch c {
	case pickle.Class{Module: "torch._utils", Name: "_rebuild_tensor"}:
		return l.rebuildTensor, nil
	case pickle.Class{Module: "torch._utils", Name: "_rebuild_tensor_v2"}:
		return l.rebuildTensor, nil
	case pickle.Class{Module: "torch._utils", Name: "_rebuild_tensor_v3"}:
		return l.rebuildUntyped, nil
	case pickle.Class{Module: "torch._utils", Name: "_rebuild_parameter"}:
		return rebuildParameter, nil
	case sizeClass:
		return newSize, nil
	case DictConfig, listConfig, pickle.Class{Module: "torch", Name: "device"}:
		return nil, nil
	case pickle.Class{Module: "typing", Name: "Any"}, untypedStorage:
		return notCalled, nil
	}
	if c.Module == "torch" && (storageTypes[c.Name] != ndarray.Invalid || torchTypes[c.Name] != ndarray.Invalid) {
		return notCalled, nil
	}
	for _, prefix := range opaqueModules {
		if strings.HasPrefix(c.Module+".", prefix) && identifier.MatchString(c.Name) {
			return nil, nil
		}
	}
	return nil, pickle.ErrNotAllowed
}

// notCalled is for classes that are named only.
func notCalled(pickle.Tuple) (any, error) {
	return nil, errors.New("damaged: called in an unusual way")
}

// newSize is torch.Size: a tuple.
func newSize(args pickle.Tuple) (any, error) {
	if len(args) == 1 {
		if t, ok := args[0].(pickle.Tuple); ok {
			return t, nil
		}
	}
	return notCalled(args)
}
