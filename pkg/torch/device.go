package torch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/open-retina/openretina-go/pkg/torch/internal/gotorch"
	"github.com/open-retina/openretina-go/pkg/torch/internal/libtorch"
)

// Device is where tensors live. The zero value is the CPU.
type Device struct {
	cuda  bool
	index int
}

// CPU is the default device.
var CPU = Device{}

// IsCPU tells whether the device is the CPU.
func (d Device) IsCPU() bool { return !d.cuda }

// String is the device in PyTorch's words.
func (d Device) String() string {
	if d.cuda {
		return "cuda:" + strconv.Itoa(d.index)
	}
	return "cpu"
}

// SelectDevice resolves the words auto, cpu, cuda and cuda:N. For auto without a
// usable GPU it gives the CPU and says why in reason; cuda without one is an
// error. An empty reason needs no words.
func SelectDevice(word string) (d Device, reason string, err error) {
	switch {
	case word == "cpu":
		return CPU, "", nil
	case word == "auto" || word == "":
		if _, err := cudaDevices(); err != nil {
			return CPU, "using the CPU: " + err.Error(), nil
		}
		return Device{cuda: true}, "", nil
	case word == "cuda" || strings.HasPrefix(word, "cuda:"):
		d, err := cudaDevice(word)
		return d, "", err
	}
	return CPU, "", fmt.Errorf("unknown device %q: choose auto, cpu, cuda or cuda:N", word)
}

func cudaDevice(word string) (Device, error) {
	index := 0
	if n, ok := strings.CutPrefix(word, "cuda:"); ok {
		i, err := strconv.Atoi(n)
		if err != nil || i < 0 {
			return CPU, fmt.Errorf("unknown device %q: choose auto, cpu, cuda or cuda:N", word)
		}
		index = i
	}
	count, err := cudaDevices()
	if err != nil {
		return CPU, fmt.Errorf("device %s is not usable: %w", word, err)
	}
	if index >= count {
		return CPU, fmt.Errorf("device %s is not there: this machine has %d GPUs", word, count)
	}
	return Device{cuda: true, index: index}, nil
}

// cudaDevices loads libtorch's CUDA library, once, and counts the GPUs. It must
// run before any other question for CUDA: libtorch remembers the first answer.
var cudaDevices = sync.OnceValues(func() (int, error) {
	if !driverPresent() {
		return 0, errors.New("no NVIDIA driver on this machine")
	}
	library, err := cudaLibrary()
	if err != nil {
		return 0, err
	}
	if err := libtorch.LoadCUDA(library); err != nil {
		return 0, fmt.Errorf("libtorch's CUDA library does not load: %w", err)
	}
	if !gotorch.CUDAAvailable() {
		return 0, errors.New("libtorch sees no GPU (is the driver new enough for CUDA 13?)")
	}
	n, cerr := libtorch.CUDADeviceCount()
	if cerr != nil {
		return 0, cerr
	}
	// Where nobody asks for less, a GPU computes in float32; cuDNN would not.
	if err := libtorch.SetGPUPrecision(false, false); err != nil {
		return 0, err
	}
	return n, nil
})

func driverPresent() bool {
	for _, p := range []string{"/dev/nvidiactl", "/proc/driver/nvidia/version", "/dev/dxg"} {
		if _, err := os.Stat(p); err == nil {
			return true
		}
	}
	return false
}

// cudaLibrary finds libtorch_cuda.so beside the libtorch_cpu.so of this process.
func cudaLibrary() (string, error) {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return "", fmt.Errorf("cannot tell where libtorch is: %w", err)
	}
	for line := range strings.Lines(string(maps)) {
		i := strings.IndexByte(line, '/')
		if i < 0 || !strings.HasSuffix(strings.TrimSpace(line), "/libtorch_cpu.so") {
			continue
		}
		library := filepath.Join(filepath.Dir(strings.TrimSpace(line[i:])), "libtorch_cuda.so")
		if _, err := os.Stat(library); err != nil {
			return "", errors.New("libtorch was installed without CUDA (scripts/install-libtorch.sh --cuda adds it)")
		}
		return library, nil
	}
	return "", errors.New("libtorch_cpu.so is not loaded")
}

// Version is libtorch's version.
func Version() string { return libtorch.Version() }
