// Package libtorch is the Go side of the C border to libtorch: one function for
// each entry of shim.h, C types in and out of sight. Handles are raw; who owns
// them is the business of package torch.
package libtorch

// #cgo LDFLAGS: -lopenretina_torch -ltorch_cpu -lc10
// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// Handle owns one at::Tensor, or is nil.
type Handle unsafe.Pointer

// Generator owns one at::Generator, or is nil.
type Generator unsafe.Pointer

// Code tells the kind of an Error, as shim.h numbers them.
type Code int

// The kinds of failures that libtorch tells apart.
const (
	Other          Code = C.ORT_ERR_OTHER
	OutOfMemory    Code = C.ORT_ERR_OUT_OF_MEMORY
	Index          Code = C.ORT_ERR_INDEX
	Type           Code = C.ORT_ERR_TYPE
	Value          Code = C.ORT_ERR_VALUE
	NotImplemented Code = C.ORT_ERR_NOT_IMPLEMENTED
	Closed         Code = C.ORT_ERR_CLOSED
)

// Error is a C++ exception, caught at the border.
type Error struct {
	Code  Code
	Msg   string
	Trace string
}

func (e *Error) Error() string { return e.Msg }

// KeepTraces makes errors say where in libtorch they come from, from now on. That
// makes each of them a few milliseconds slower.
func KeepTraces(on bool) { C.ort_keep_traces(cbool(on)) }

func check(e *C.ort_error) *Error {
	if e == nil {
		return nil
	}
	defer C.ort_error_free(e)
	return &Error{Code: Code(e.code), Msg: C.GoString(e.message), Trace: C.GoString(e.trace)}
}

// Op is an entry of one of shim.h's tables of operations.
type Op int

// Operations of one tensor, for Unary.
const (
	Neg        Op = C.ORT_NEG
	Exp        Op = C.ORT_EXP
	Log        Op = C.ORT_LOG
	Sqrt       Op = C.ORT_SQRT
	Abs        Op = C.ORT_ABS
	Sin        Op = C.ORT_SIN
	Cos        Op = C.ORT_COS
	Sigmoid    Op = C.ORT_SIGMOID
	Tanh       Op = C.ORT_TANH
	ReLU       Op = C.ORT_RELU
	Softplus   Op = C.ORT_SOFTPLUS
	ELU        Op = C.ORT_ELU
	Square     Op = C.ORT_SQUARE
	NaNToNum   Op = C.ORT_NAN_TO_NUM
	Contiguous Op = C.ORT_CONTIGUOUS
	Clone      Op = C.ORT_CLONE
	Detach     Op = C.ORT_DETACH
	GELU       Op = C.ORT_GELU
	LeakyReLU  Op = C.ORT_LEAKY_RELU
	Mish       Op = C.ORT_MISH
	SELU       Op = C.ORT_SELU
	SiLU       Op = C.ORT_SILU
)

// Operations of two tensors, for Binary.
const (
	Add    Op = C.ORT_ADD
	Sub    Op = C.ORT_SUB
	Mul    Op = C.ORT_MUL
	Div    Op = C.ORT_DIV
	MatMul Op = C.ORT_MATMUL
)

// Operations of a tensor and a number, for Scalar.
const (
	AddScalar Op = C.ORT_ADD_SCALAR
	MulScalar Op = C.ORT_MUL_SCALAR
	PowScalar Op = C.ORT_POW_SCALAR
)

// Nonlinearities with numbers of their own, for Nonlinearity.
const (
	SoftplusOf  Op = C.ORT_SOFTPLUS_OF
	ELUOf       Op = C.ORT_ELU_OF
	LeakyReLUOf Op = C.ORT_LEAKY_RELU_OF
)

// Reductions, for Reduce.
const (
	Sum       Op = C.ORT_SUM
	Mean      Op = C.ORT_MEAN
	Norm      Op = C.ORT_NORM
	LogSumExp Op = C.ORT_LOGSUMEXP
	AMax      Op = C.ORT_AMAX
)

// scalarTypes are libtorch's numbers (c10::ScalarType) for NumPy's types.
var scalarTypes = map[ndarray.DType]C.int{
	ndarray.Uint8: 0, ndarray.Int8: 1, ndarray.Int16: 2, ndarray.Int32: 3, ndarray.Int64: 4,
	ndarray.Float16: 5, ndarray.Float32: 6, ndarray.Float64: 7, ndarray.Bool: 11, ndarray.BFloat16: 15,
	ndarray.Uint16: 27, ndarray.Uint32: 28, ndarray.Uint64: 29,
}

func scalarType(d ndarray.DType) (C.int, *Error) {
	if t, ok := scalarTypes[d]; ok {
		return t, nil
	}
	return 0, &Error{Code: Type, Msg: fmt.Sprintf("tensors cannot hold %v", d)}
}

func flags(grad bool) C.int {
	if grad {
		return C.ORT_GRAD
	}
	return 0
}

func cbool(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

func ints(v []int64) *C.int64_t { return (*C.int64_t)(unsafe.Pointer(unsafe.SliceData(v))) }

// three lends three numbers, or NULL.
func three(v *[3]int64) *C.int64_t {
	if v == nil {
		return nil
	}
	return ints(v[:])
}

func doubles(v *float64) *C.double { return (*C.double)(unsafe.Pointer(v)) }

func handles(v []Handle) *C.ort_tensor { return (*C.ort_tensor)(unsafe.Pointer(unsafe.SliceData(v))) }

func in(h Handle) C.ort_tensor { return C.ort_tensor(unsafe.Pointer(h)) }

func out(t C.ort_tensor, e *C.ort_error) (Handle, *Error) { return Handle(unsafe.Pointer(t)), check(e) }

// withDevice lends the device's name to C.
func withDevice(device string, f func(*C.char)) {
	name := C.CString(device)
	defer C.free(unsafe.Pointer(name))
	f(name)
}

// Unary applies an operation of one tensor.
func Unary(grad bool, op Op, x Handle) (Handle, *Error) {
	var t C.ort_tensor
	e := C.ort_unary(flags(grad), C.int(op), in(x), &t)
	return out(t, e)
}

// Binary applies an operation of two tensors.
func Binary(grad bool, op Op, a, b Handle) (Handle, *Error) {
	var t C.ort_tensor
	e := C.ort_binary(flags(grad), C.int(op), in(a), in(b), &t)
	return out(t, e)
}

// Scalar applies an operation of a tensor and a number.
func Scalar(grad bool, op Op, x Handle, value float64) (Handle, *Error) {
	var t C.ort_tensor
	e := C.ort_scalar(flags(grad), C.int(op), in(x), C.double(value), &t)
	return out(t, e)
}

// Nonlinearity applies a nonlinearity with one or two numbers of its own.
func Nonlinearity(grad bool, op Op, x Handle, a, b float64) (Handle, *Error) {
	var t C.ort_tensor
	e := C.ort_nonlinearity(flags(grad), C.int(op), in(x), C.double(a), C.double(b), &t)
	return out(t, e)
}

// Clamp limits values; a nil bound is none.
func Clamp(grad bool, x Handle, minimum, maximum *float64) (Handle, *Error) {
	var t C.ort_tensor
	e := C.ort_clamp(flags(grad), in(x), doubles(minimum), doubles(maximum), &t)
	return out(t, e)
}

// Reduce reduces over dims, over all dimensions where dims is empty.
func Reduce(grad bool, op Op, x Handle, dims []int64, keepDim bool) (Handle, *Error) {
	var t C.ort_tensor
	e := C.ort_reduce(flags(grad), C.int(op), in(x), ints(dims), C.int(len(dims)), cbool(keepDim), &t)
	return out(t, e)
}

// Reshape gives x another shape.
func Reshape(grad bool, x Handle, shape []int64) (Handle, *Error) {
	var t C.ort_tensor
	e := C.ort_reshape(flags(grad), in(x), ints(shape), C.int(len(shape)), &t)
	return out(t, e)
}

// Permute reorders dimensions.
func Permute(grad bool, x Handle, dims []int64) (Handle, *Error) {
	var t C.ort_tensor
	e := C.ort_permute(flags(grad), in(x), ints(dims), C.int(len(dims)), &t)
	return out(t, e)
}

// Expand repeats dimensions of size one without copying.
func Expand(grad bool, x Handle, shape []int64) (Handle, *Error) {
	var t C.ort_tensor
	e := C.ort_expand(flags(grad), in(x), ints(shape), C.int(len(shape)), &t)
	return out(t, e)
}

// Narrow takes length entries of a dimension from start on.
func Narrow(grad bool, x Handle, dim, start, length int64) (Handle, *Error) {
	var t C.ort_tensor
	e := C.ort_narrow(flags(grad), in(x), C.int64_t(dim), C.int64_t(start), C.int64_t(length), &t)
	return out(t, e)
}

// IndexSelect takes the named entries of a dimension.
func IndexSelect(grad bool, x Handle, dim int64, index []int64) (Handle, *Error) {
	var t C.ort_tensor
	e := C.ort_index_select(flags(grad), in(x), C.int64_t(dim), ints(index), C.int64_t(len(index)), &t)
	return out(t, e)
}

// Cat joins tensors along a dimension.
func Cat(grad bool, parts []Handle, dim int64) (Handle, *Error) {
	var t C.ort_tensor
	e := C.ort_cat(flags(grad), handles(parts), C.int(len(parts)), C.int64_t(dim), &t)
	return out(t, e)
}

// Stack joins tensors along a new dimension.
func Stack(grad bool, parts []Handle, dim int64) (Handle, *Error) {
	var t C.ort_tensor
	e := C.ort_stack(flags(grad), handles(parts), C.int(len(parts)), C.int64_t(dim), &t)
	return out(t, e)
}

// Einsum sums products in Einstein's notation.
func Einsum(grad bool, equation string, operands []Handle) (Handle, *Error) {
	text := C.CString(equation)
	defer C.free(unsafe.Pointer(text))
	var t C.ort_tensor
	e := C.ort_einsum(flags(grad), text, handles(operands), C.int(len(operands)), &t)
	return out(t, e)
}

// Conv3D convolves over (time, height, width). padding nil is "same", bias may be
// nil.
func Conv3D(grad bool, x, weight, bias Handle, stride [3]int64, padding *[3]int64, dilation [3]int64) (Handle, *Error) {
	var t C.ort_tensor
	e := C.ort_conv3d(flags(grad), in(x), in(weight), in(bias), ints(stride[:]), three(padding), ints(dilation[:]), &t)
	return out(t, e)
}

// SeparableConv3D convolves with the product of a temporal and a spatial kernel;
// padding nil is "same".
func SeparableConv3D(grad bool, x, spatial, temporal Handle, padding *[3]int64) (Handle, *Error) {
	var t C.ort_tensor
	e := C.ort_separable_conv3d(flags(grad), in(x), in(spatial), in(temporal), three(padding), &t)
	return out(t, e)
}

// The forms of ComposedConv3D: FasterForm is measured once for each shape.
const (
	FullKernel Op = C.ORT_FULL_KERNEL
	InFactors  Op = C.ORT_IN_FACTORS
	FasterForm Op = C.ORT_FASTER_FORM
	InBFloat16 Op = C.ORT_IN_BFLOAT16
)

// ComposedConv3D is SeparableConv3D by libtorch's own operations, as on a GPU.
func ComposedConv3D(grad bool, form Op, x, spatial, temporal Handle, padding *[3]int64) (Handle, *Error) {
	var t C.ort_tensor
	e := C.ort_composed_conv3d(flags(grad), C.int(form), in(x), in(spatial), in(temporal), three(padding), &t)
	return out(t, e)
}

// SetGPUPrecision says how GPUs compute from now on, in the whole process.
func SetGPUPrecision(tf32, bfloat16Convolutions bool) *Error {
	return check(C.ort_set_gpu_precision(cbool(tf32), cbool(bfloat16Convolutions)))
}

// BatchNormShift is a layer's BatchNorm and the bias behind it, Shift.
type BatchNormShift struct {
	Weight, Bias, Mean, Variance, Shift Handle
	Training                            bool
	Momentum, Eps                       float64
}

// SeparableLayer is ELU of the bias and the BatchNorm of SeparableConv3D; padding nil
// is "same". framesFirst lays the result out as (batch, time, channels, height, width).
func SeparableLayer(grad bool, x, spatial, temporal Handle, padding *[3]int64, n BatchNormShift, framesFirst bool) (Handle, *Error) {
	var t C.ort_tensor
	norm := C.ort_norm{
		weight: in(n.Weight), bias: in(n.Bias), running_mean: in(n.Mean), running_var: in(n.Variance),
		shift: in(n.Shift), training: cbool(n.Training), momentum: C.double(n.Momentum), eps: C.double(n.Eps),
	}
	e := C.ort_separable_layer(flags(grad), in(x), in(spatial), in(temporal), three(padding), &norm, cbool(framesFirst), &t)
	return out(t, e)
}

// SeparableVariant is how SeparableConv3D computes: avx512, avx2, generic, or full.
func SeparableVariant() string { return C.GoString(C.ort_separable_variant()) }

// GridSample reads images at points between -1 and 1.
func GridSample(grad bool, x, grid Handle, alignCorners bool) (Handle, *Error) {
	var t C.ort_tensor
	e := C.ort_grid_sample(flags(grad), in(x), in(grid), cbool(alignCorners), &t)
	return out(t, e)
}

// AvgPool3D averages over blocks of kernel's size.
func AvgPool3D(grad bool, x Handle, kernel [3]int64) (Handle, *Error) {
	var t C.ort_tensor
	e := C.ort_avg_pool3d(flags(grad), in(x), ints(kernel[:]), &t)
	return out(t, e)
}

// MaxPool3D takes the maximum over blocks of kernel's size.
func MaxPool3D(grad bool, x Handle, kernel [3]int64) (Handle, *Error) {
	var t C.ort_tensor
	e := C.ort_max_pool3d(flags(grad), in(x), ints(kernel[:]), &t)
	return out(t, e)
}

// BatchNorm normalises channels; in training it updates the running statistics.
func BatchNorm(grad bool, x, weight, bias, mean, variance Handle, training bool, momentum, eps float64) (Handle, *Error) {
	var t C.ort_tensor
	e := C.ort_batch_norm(flags(grad), in(x), in(weight), in(bias), in(mean), in(variance), cbool(training),
		C.double(momentum), C.double(eps), &t)
	return out(t, e)
}

// GRUWeights are those of ConvGRU's gates, in the order reset, update, out.
type GRUWeights struct {
	Input, InputBias, Hidden, HiddenBias [3]Handle
}

// ConvGRU gives all states of a convolutional GRU that goes over the frames of x. state
// is the one before the first frame; nil is zero.
func ConvGRU(grad bool, x Handle, w GRUWeights, padding, groups int64, state Handle) (Handle, *Error) {
	var t C.ort_tensor
	var gates C.ort_gru
	for i := range 3 {
		gates.input[i], gates.input_bias[i] = in(w.Input[i]), in(w.InputBias[i])
		gates.hidden[i], gates.hidden_bias[i] = in(w.Hidden[i]), in(w.HiddenBias[i])
	}
	e := C.ort_conv_gru(flags(grad), in(x), &gates, C.int64_t(padding), C.int64_t(groups), in(state), &t)
	return out(t, e)
}

// FromArray copies an array into a tensor on a device.
func FromArray(a *ndarray.Array, shape []int64, device string) (Handle, *Error) {
	code, err := scalarType(a.DType)
	if err != nil {
		return nil, err
	}
	return fromBytes(unsafe.Pointer(unsafe.SliceData(a.Data)), len(a.Data), code, shape, device)
}

// FromFloat32 copies values into a float32 tensor on a device.
func FromFloat32(values []float32, shape []int64, device string) (Handle, *Error) {
	return fromBytes(unsafe.Pointer(unsafe.SliceData(values)), 4*len(values), scalarTypes[ndarray.Float32], shape, device)
}

// LendFloat32 makes a tensor on the CPU over values, which must be pinned for as long
// as the tensor or a view of it exists.
func LendFloat32(values []float32, shape []int64) (Handle, *Error) {
	var t C.ort_tensor
	e := C.ort_lend_float32((*C.float)(unsafe.SliceData(values)), C.int64_t(len(values)), ints(shape), C.int(len(shape)), &t)
	return out(t, e)
}

func fromBytes(data unsafe.Pointer, size int, code C.int, shape []int64, device string) (h Handle, err *Error) {
	withDevice(device, func(d *C.char) {
		var t C.ort_tensor
		e := C.ort_from_bytes(data, C.int64_t(size), code, ints(shape), C.int(len(shape)), d, &t)
		h, err = out(t, e)
	})
	return h, err
}

// Full makes a tensor of one value.
func Full(value float64, dtype ndarray.DType, shape []int64, device string) (h Handle, err *Error) {
	code, err := scalarType(dtype)
	if err != nil {
		return nil, err
	}
	withDevice(device, func(d *C.char) {
		var t C.ort_tensor
		e := C.ort_full(C.double(value), code, ints(shape), C.int(len(shape)), d, &t)
		h, err = out(t, e)
	})
	return h, err
}

// Linspace gives steps float32 values from start to end, both included.
func Linspace(start, end float64, steps int64, device string) (h Handle, err *Error) {
	withDevice(device, func(d *C.char) {
		var t C.ort_tensor
		e := C.ort_linspace(C.double(start), C.double(end), C.int64_t(steps), d, &t)
		h, err = out(t, e)
	})
	return h, err
}

// Normal draws float32 values from a normal distribution.
func Normal(g Generator, mean, std float64, shape []int64, device string) (h Handle, err *Error) {
	withDevice(device, func(d *C.char) {
		var t C.ort_tensor
		e := C.ort_normal(C.ort_generator(unsafe.Pointer(g)), C.double(mean), C.double(std), ints(shape),
			C.int(len(shape)), d, &t)
		h, err = out(t, e)
	})
	return h, err
}

// Uniform draws float32 values from [from, to).
func Uniform(g Generator, from, to float64, shape []int64, device string) (h Handle, err *Error) {
	withDevice(device, func(d *C.char) {
		var t C.ort_tensor
		e := C.ort_uniform(C.ort_generator(unsafe.Pointer(g)), C.double(from), C.double(to), ints(shape),
			C.int(len(shape)), d, &t)
		h, err = out(t, e)
	})
	return h, err
}

// Bernoulli draws ones with probability p, else zeros, as float32.
func Bernoulli(g Generator, p float64, shape []int64, device string) (h Handle, err *Error) {
	withDevice(device, func(d *C.char) {
		var t C.ort_tensor
		e := C.ort_bernoulli(C.ort_generator(unsafe.Pointer(g)), C.double(p), ints(shape), C.int(len(shape)), d, &t)
		h, err = out(t, e)
	})
	return h, err
}

// To converts type and device.
func To(grad bool, x Handle, dtype ndarray.DType, device string) (h Handle, err *Error) {
	code, err := scalarType(dtype)
	if err != nil {
		return nil, err
	}
	withDevice(device, func(d *C.char) {
		var t C.ort_tensor
		e := C.ort_to(flags(grad), in(x), code, d, &t)
		h, err = out(t, e)
	})
	return h, err
}

// Shape is the tensor's sizes.
func Shape(x Handle) ([]int64, *Error) {
	var n C.int64_t
	if err := check(C.ort_ndim(in(x), &n)); err != nil {
		return nil, err
	}
	shape := make([]int64, n)
	return shape, check(C.ort_sizes(in(x), ints(shape)))
}

// DType is the tensor's element type.
func DType(x Handle) (ndarray.DType, *Error) {
	var code C.int
	if err := check(C.ort_dtype(in(x), &code)); err != nil {
		return ndarray.Invalid, err
	}
	for d, c := range scalarTypes {
		if c == code {
			return d, nil
		}
	}
	return ndarray.Invalid, &Error{Code: Type, Msg: fmt.Sprintf("tensor of libtorch's type %d", code)}
}

// Item is the only element of a tensor.
func Item(x Handle) (float64, *Error) {
	var v C.double
	err := check(C.ort_item(in(x), &v))
	return float64(v), err
}

// PoissonLoss is the sum of output - target · log(output + bias).
func PoissonLoss(grad bool, output, target Handle, bias float64) (Handle, *Error) {
	var t C.ort_tensor
	e := C.ort_poisson_loss(flags(grad), in(output), in(target), C.double(bias), &t)
	return out(t, e)
}

// Correlations are those over the second of three dimensions.
func Correlations(grad bool, output, target Handle, bias float64) (Handle, *Error) {
	var t C.ort_tensor
	e := C.ort_correlations(flags(grad), in(output), in(target), C.double(bias), &t)
	return out(t, e)
}

// CopyOut copies the elements in C order to dst, which must have their size.
func CopyOut(x Handle, dst []byte) *Error {
	return check(C.ort_copy_out(in(x), unsafe.Pointer(unsafe.SliceData(dst)), C.int64_t(len(dst))))
}

// CopyOutFloat32 is CopyOut for a float32 tensor.
func CopyOutFloat32(x Handle, dst []float32) *Error {
	return check(C.ort_copy_out(in(x), unsafe.Pointer(unsafe.SliceData(dst)), C.int64_t(4*len(dst))))
}

// SetRequiresGrad makes a leaf collect its gradient.
func SetRequiresGrad(x Handle, on bool) *Error {
	return check(C.ort_set_requires_grad(in(x), cbool(on)))
}

// RequiresGrad tells whether operations of x are recorded.
func RequiresGrad(x Handle) (bool, *Error) {
	var on C.int
	err := check(C.ort_requires_grad(in(x), &on))
	return on != 0, err
}

// Backward accumulates the gradients of a scalar in its leaves.
func Backward(loss Handle) *Error { return check(C.ort_backward(in(loss))) }

// BackwardWith is Backward of a tensor of any shape, given the gradient there.
func BackwardWith(x, gradient Handle) *Error { return check(C.ort_backward_with(in(x), in(gradient))) }

// Grad is the collected gradient, nil where there is none.
func Grad(x Handle) (Handle, *Error) {
	var t C.ort_tensor
	e := C.ort_grad(in(x), &t)
	return out(t, e)
}

// HaveGrad tells which tensors have a gradient.
func HaveGrad(tensors []Handle) ([]bool, *Error) {
	marks := make([]C.int, len(tensors))
	if err := check(C.ort_have_grad(handles(tensors), C.int(len(tensors)), unsafe.SliceData(marks))); err != nil {
		return nil, err
	}
	have := make([]bool, len(tensors))
	for i, m := range marks {
		have[i] = m != 0
	}
	return have, nil
}

// ClearGrads sets gradients to none.
func ClearGrads(tensors []Handle) *Error {
	return check(C.ort_clear_grads(handles(tensors), C.int(len(tensors))))
}

// CopyInto overwrites dst, of the same shape, with src.
func CopyInto(dst, src Handle) *Error { return check(C.ort_copy_into(in(dst), in(src))) }

// ClampInPlace limits the values of x itself.
func ClampInPlace(x Handle, minimum, maximum *float64) *Error {
	return check(C.ort_clamp_in_place(in(x), doubles(minimum), doubles(maximum)))
}

// AddInPlace adds a number to x itself.
func AddInPlace(x Handle, value float64) *Error {
	return check(C.ort_add_in_place(in(x), C.double(value)))
}

// ClipGradNorm scales the gradients of params to a 2-norm of at most maxNorm and
// returns the norm they had, a tensor without dimensions.
func ClipGradNorm(params []Handle, maxNorm float64) (Handle, *Error) {
	var t C.ort_tensor
	e := C.ort_clip_grad_norm(handles(params), C.int(len(params)), C.double(maxNorm), &t)
	return out(t, e)
}

var differentLengths = &Error{Code: Value, Msg: "the lists of parameters and their state differ in length"}

// AdamOptions are those of torch.optim.Adam and, with Decoupled, AdamW.
type AdamOptions struct {
	LR, Beta1, Beta2, Eps, WeightDecay float64
	Decoupled, AMSGrad, Maximize       bool
}

// AdamStep updates params, all of which have a gradient. steps counts each
// parameter's updates, this one included. Where a guard is NaN or infinite, nothing
// is updated.
func AdamStep(params, expAvg, expAvgSq, maxExpAvgSq []Handle, steps []float64, guards []Handle, o AdamOptions) *Error {
	n := len(params)
	if len(expAvg) != n || len(expAvgSq) != n || len(steps) != n || o.AMSGrad && len(maxExpAvgSq) != n {
		return differentLengths
	}
	options := C.ort_adam_options{
		lr: C.double(o.LR), beta1: C.double(o.Beta1), beta2: C.double(o.Beta2), eps: C.double(o.Eps),
		weight_decay: C.double(o.WeightDecay), decoupled: cbool(o.Decoupled), amsgrad: cbool(o.AMSGrad),
		maximize: cbool(o.Maximize),
	}
	return check(C.ort_adam_step(handles(params), handles(expAvg), handles(expAvgSq), handles(maxExpAvgSq),
		doubles(unsafe.SliceData(steps)), C.int(n), handles(guards), C.int(len(guards)), &options))
}

// SGDOptions are those of torch.optim.SGD.
type SGDOptions struct {
	LR, Momentum, Dampening, WeightDecay float64
	Nesterov, Maximize                   bool
}

// SGDStep updates params, all of which have a gradient. first marks those whose
// momentum buffer has no value yet. Where a guard is NaN or infinite, nothing is
// updated.
func SGDStep(params, momentum []Handle, first []bool, guards []Handle, o SGDOptions) *Error {
	n := len(params)
	if len(first) != n || o.Momentum != 0 && len(momentum) != n {
		return differentLengths
	}
	marks := make([]C.int, n)
	for i, f := range first {
		marks[i] = cbool(f)
	}
	options := C.ort_sgd_options{
		lr: C.double(o.LR), momentum: C.double(o.Momentum), dampening: C.double(o.Dampening),
		weight_decay: C.double(o.WeightDecay), nesterov: cbool(o.Nesterov), maximize: cbool(o.Maximize),
	}
	return check(C.ort_sgd_step(handles(params), handles(momentum), unsafe.SliceData(marks), C.int(n),
		handles(guards), C.int(len(guards)), &options))
}

// NewGenerator makes a random generator of a device.
func NewGenerator(seed uint64, device string) (g Generator, err *Error) {
	withDevice(device, func(d *C.char) {
		var raw C.ort_generator
		err = check(C.ort_generator_new(C.uint64_t(seed), d, &raw))
		g = Generator(unsafe.Pointer(raw))
	})
	return g, err
}

// GeneratorState is the generator's state as torch.Generator.get_state gives it.
func GeneratorState(g Generator) (Handle, *Error) {
	var t C.ort_tensor
	e := C.ort_generator_get_state(C.ort_generator(unsafe.Pointer(g)), &t)
	return out(t, e)
}

// SetGeneratorState restores what GeneratorState gave.
func SetGeneratorState(g Generator, state Handle) *Error {
	return check(C.ort_generator_set_state(C.ort_generator(unsafe.Pointer(g)), in(state)))
}

// FreeGenerator releases a generator.
func FreeGenerator(g Generator) { C.ort_generator_free(C.ort_generator(unsafe.Pointer(g))) }

// Free releases tensors; nil entries are skipped.
func Free(list []Handle) {
	C.ort_free(handles(list), C.int(len(list)))
	runtime.KeepAlive(list)
}

// Live is the number of handles that exist.
func Live() int64 { return int64(C.ort_live()) }

// Adopt counts a handle that gotorch made.
func Adopt() { C.ort_adopt() }

// SetThreads sets the number of threads that operations of this OS thread use.
func SetThreads(n int) *Error { return check(C.ort_set_threads(C.int(n))) }

// Threads is the number of threads that operations of this OS thread use.
func Threads() int { return int(C.ort_get_threads()) }

// SetGradMode sets this OS thread's mode, for operations that do not say theirs,
// and returns the mode before.
func SetGradMode(on bool) (before bool) { return C.ort_set_grad_mode(cbool(on)) != 0 }

// MarkThread marks this OS thread for its life. libtorch prints no warnings there
// from then on.
func MarkThread(mark int) { C.ort_mark_thread(C.int(mark)) }

// ThreadMark is this OS thread's mark, 0 where it has none.
func ThreadMark() int { return int(C.ort_thread_mark()) }

// LoadCUDA loads libtorch's CUDA library into the process.
func LoadCUDA(path string) *Error {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	return check(C.ort_load_cuda(name))
}

// CUDADeviceCount is 0 where libtorch's CUDA library is not loaded.
func CUDADeviceCount() (int, *Error) {
	var n C.int
	err := check(C.ort_cuda_device_count(&n))
	return int(n), err
}

// Version is libtorch's.
func Version() string { return C.GoString(C.ort_libtorch_version()) }
