// Errors and the life of handles.
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

#include "common.h"

namespace ort {

std::atomic<int64_t> live{0};

namespace {

char *copy(const std::string &text) {
  char *out = static_cast<char *>(std::malloc(text.size() + 1));
  if (out != nullptr) std::memcpy(out, text.c_str(), text.size() + 1);
  return out;
}

// The first line says what happened; what follows is for debuggers.
ort_error *make(int code, const std::string &what, const std::string &trace = "") {
  auto *error = static_cast<ort_error *>(std::malloc(sizeof(ort_error)));
  if (error == nullptr) std::abort();  // not even 24 bytes are left
  error->code = code;
  auto newline = what.find('\n');
  error->message = copy(what.substr(0, newline));
  error->trace = copy(newline == std::string::npos ? trace : what.substr(newline + 1) + trace);
  return error;
}

// Naming the functions of a stack takes milliseconds, so it is done on demand.
std::atomic<bool> traces{false};

ort_error *from(int code, const c10::Error &e) {
  return make(code, e.what_without_backtrace(), traces ? e.what() : "");
}

}  // namespace

ort_error *current_error() noexcept {
  try {
    throw;
  } catch (const ClosedHandle &) {
    return make(ORT_ERR_CLOSED, "tensor is closed");
  } catch (const c10::OutOfMemoryError &e) {
    return from(ORT_ERR_OUT_OF_MEMORY, e);
  } catch (const c10::IndexError &e) {
    return from(ORT_ERR_INDEX, e);
  } catch (const c10::TypeError &e) {
    return from(ORT_ERR_TYPE, e);
  } catch (const c10::ValueError &e) {
    return from(ORT_ERR_VALUE, e);
  } catch (const c10::NotImplementedError &e) {
    return from(ORT_ERR_NOT_IMPLEMENTED, e);
  } catch (const c10::Error &e) {
    return from(ORT_ERR_OTHER, e);
  } catch (const std::bad_alloc &) {
    return make(ORT_ERR_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception &e) {
    return make(ORT_ERR_OTHER, e.what());
  } catch (...) {
    return make(ORT_ERR_OTHER, "unknown C++ exception");
  }
}

}  // namespace ort

ORT_API void ort_error_free(ort_error *error) {
  if (error == nullptr) return;
  std::free(error->message);
  std::free(error->trace);
  std::free(error);
}

ORT_API void ort_keep_traces(int on) { ort::traces = on != 0; }

ORT_API void ort_free(const ort_tensor *tensors, int n) {
  for (int i = 0; i < n; i++) {
    if (tensors[i] == nullptr) continue;
    delete static_cast<at::Tensor *>(tensors[i]);
    ort::live--;
  }
}

ORT_API int64_t ort_live(void) { return ort::live.load(); }

ORT_API void ort_adopt(void) { ort::live++; }
