# Builds the two C++ libraries that stand between Go and libtorch: gotorch's
# own (libcgotorch.so) and our shim (libopenretina_torch.so). Only what changed
# is compiled again. Called by install-libtorch.sh and by `make shim`:
#
#   make -f scripts/native.mk -j4 NATIVE=/abs/lib GOTORCH=/abs/gotorch BUILD=/abs/build
#
# NATIVE   the prefix that holds torch/, and gets openretina/*.so
# GOTORCH  folder of gotorch's sources (above cgotorch/)
# BUILD    folder for objects and dependency files
#
# scripts/test-sanitize.sh gives SHIMFLAGS and SANITIZE, the linker's flag for the sanitizers, of its own.

.DELETE_ON_ERROR:
.SUFFIXES:

CXX         = g++
SHIM       := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))../pkg/torch/internal/shim)
TORCH      := $(NATIVE)/torch
OUT        := $(NATIVE)/openretina
# -isystem, not -I: torch's headers stay out of the dependency files and of our warnings.
CXXFLAGS   := -std=c++17 -fPIC -isystem $(TORCH)/include -isystem $(TORCH)/include/torch/csrc/api/include
SHIMFLAGS  := -O3 -fopenmp -fvisibility=hidden -Wall -Wextra
# RPATH instead of RUNPATH: a stray LD_LIBRARY_PATH must not bring in another libtorch.
LDFLAGS    := -shared -Wl,--disable-new-dtags -Wl,-rpath,'$$ORIGIN/../torch/lib' -Wl,-z,defs \
              -Wl,-rpath-link,$(NATIVE)/nvidia/cu13/lib -L$(TORCH)/lib -ltorch_cpu -lc10
# libtorch's own OpenMP runtime, whatever its file is called: two in one process would each start a team of threads.
GOMP       := $(firstword $(wildcard $(TORCH)/lib/libgomp*.so*) -lgomp)

gotorch.cc := $(wildcard $(GOTORCH)/cgotorch/*.cc)
shim.o     := $(patsubst $(SHIM)/%.cc,$(BUILD)/shim/%.o,$(wildcard $(SHIM)/*.cc))

.PHONY: all
all: $(OUT)/libcgotorch.so $(if $(shim.o),$(OUT)/libopenretina_torch.so)

$(OUT) $(BUILD)/shim:
	mkdir -p $@

# A file that holds a value and is written again only when the value differs:
# what depends on it is rebuilt for a new compiler, a new libtorch, or a source that went away.
define remember
ifneq ($$(file <$(BUILD)/$(1)),$(2))
.PHONY: $(BUILD)/$(1)
$(BUILD)/$(1): | $(BUILD)/shim
	@$$(file >$$@,$(2)):
endif
endef
$(eval $(call remember,recipe,$(CXX) $(shell $(CXX) -dumpfullversion) $(CXXFLAGS) $(SHIMFLAGS) $(GOTORCH) $(shell cksum <$(NATIVE)/.libtorch)))
$(eval $(call remember,objects,$(shim.o)))

# All of gotorch as one unit: each of its files would parse the whole of torch's headers again (17 s instead of 9 times 12).
# Its init asks for half as many threads as there are processors, which libtorch refuses on a machine with one.
define at_least_one_thread
#include <ATen/Parallel.h>
#define set_num_threads(n) set_num_threads((n) > 1 ? (n) : 1)
endef
export at_least_one_thread
$(BUILD)/gotorch.o: $(gotorch.cc) $(BUILD)/recipe $(firstword $(MAKEFILE_LIST))
	@echo "c++ gotorch"
	@{ echo "$$at_least_one_thread"; printf '#include "%s"\n' $(gotorch.cc); } | $(CXX) $(CXXFLAGS) -O2 -w -I$(GOTORCH) -x c++ -c - -o $@

$(BUILD)/shim/%.o: $(SHIM)/%.cc $(BUILD)/recipe | $(BUILD)/shim
	@echo "c++ shim/$*.cc"
	@$(CXX) $(CXXFLAGS) $(SHIMFLAGS) -MMD -MP -c $< -o $@

# Linked under another name and moved, so that a running program keeps its old library.
$(OUT)/libcgotorch.so: $(BUILD)/gotorch.o | $(OUT)
	@$(CXX) -o $@.part $< $(LDFLAGS) && mv $@.part $@

$(OUT)/libopenretina_torch.so: $(shim.o) $(BUILD)/objects | $(OUT)
	@$(CXX) $(SANITIZE) -o $@.part $(shim.o) $(LDFLAGS) $(GOMP) && mv $@.part $@

-include $(shim.o:.o=.d)
