// The kernels of separable.h, written once with vectors of kLanes output channels.
// Each variant includes this file under its own namespace and target.
//
// For each clip, block of output channels, input channel, two frames and strip of rows:
//   u[t][p]  = sum over tau of temporal[tau] * x[t + tau][p]     (x is broadcast)
//   y[t][q] += sum over taps of spatial[tap] * u[t][q + tap]
// u stays in the second-level cache. The full kernel (kt times kh times kw taps) is
// never formed: a position costs kt + kh*kw multiply-adds for each pair of channels
// instead of kt*kh*kw. Both sums are one-dimensional filters along rows or frames:
// a value that has been loaded into a register meets several taps there, so that the
// arithmetic, not the loads, sets the pace.

// Sizes of the tiles, measured: sums, taps and a value stay in registers.
#if ORT_REGISTERS == 32
#define ORT_TEMPORAL_COLUMNS 8
#define ORT_COLUMNS 8
#define ORT_TAPS 6
#define ORT_GRADIENT_ROWS 3
#define ORT_GRADIENT_COLUMNS 6
#define ORT_TRANSPOSED_COLUMNS 6
#define ORT_TEMPORAL_TAPS 11
#else // 16
#define ORT_TEMPORAL_COLUMNS 6
#define ORT_COLUMNS 4
#define ORT_TAPS 4
#define ORT_GRADIENT_ROWS 2
#define ORT_GRADIENT_COLUMNS 4
#define ORT_TRANSPOSED_COLUMNS 3
#define ORT_TEMPORAL_TAPS 8
#endif

typedef float Vec __attribute__((vector_size(ORT_REGISTER_BYTES), may_alias));
typedef float UnalignedVec __attribute__((vector_size(ORT_REGISTER_BYTES), may_alias, aligned(4)));
typedef int32_t IntVec __attribute__((vector_size(ORT_REGISTER_BYTES), may_alias));

constexpr int kLanes = ORT_REGISTER_BYTES / sizeof(float);

// Frames that are computed together.
constexpr int kFrames = 2;

#define ORT_UNROLL _Pragma("GCC unroll 32")

inline Vec splat(float x) { return x - Vec{}; }
inline Vec load(const float *from) { return *reinterpret_cast<const UnalignedVec *>(from); }
inline void store(float *to, Vec v) { *reinterpret_cast<UnalignedVec *>(to) = v; }
inline const Vec *lanes(const float *packed) { return reinterpret_cast<const Vec *>(packed); }
inline Vec *lanes(float *packed) { return reinterpret_cast<Vec *>(packed); }
inline int64_t blocks(const SeparableShape &s) { return (s.out + kLanes - 1) / kLanes; }

// Calls body with n, at most Max, as a constant of the compiler.
template <int Max, class Body>
inline void with_constant(int64_t n, Body body) {
  if constexpr (Max > 1) {
    if (n < Max) return with_constant<Max - 1>(n, body);
  }
  body(std::integral_constant<int, Max>{});
}

// Cuts n into pieces of nearly equal size, at most Max, and calls body with the start
// of each and its size as a constant.
template <int Max, class Body>
inline void in_pieces(int64_t n, Body body) {
  for (int64_t left = (n + Max - 1) / Max, at = 0; left > 0; left--) {
    const int64_t size = (n - at + left - 1) / left;
    with_constant<Max>(size, [&](auto constant) { body(at, constant); });
    at += size;
  }
}

// Scratch memory of a thread. It grows and is kept: pages that are given back must be
// zeroed again by the kernel. Each use has a slot of its own.
template <int Slot>
inline Vec *scratch(int64_t n) {
  static thread_local struct Memory {
    Vec *data = nullptr;
    int64_t size = 0;
    ~Memory() { std::free(data); }
  } memory;
#ifdef ORT_EXACT_SCRATCH // the address sanitizer is to see the end of what was asked for
  const bool wanted = n != memory.size;
  constexpr size_t alignment = sizeof(Vec);
#else
  const bool wanted = n > memory.size;
  constexpr size_t alignment = 64;
#endif
  if (wanted) {
    std::free(memory.data);
    memory.size = 0;
    memory.data =
        static_cast<Vec *>(std::aligned_alloc(alignment, (n * sizeof(Vec) + alignment - 1) / alignment * alignment));
    if (memory.data == nullptr) throw std::bad_alloc();
    memory.size = n;
  }
  return memory.data;
}
enum Slots { kStrip, kSums, kTransposed, kTaps };

// Bytes of the first-level cache that one operand may take.
constexpr int64_t kFirstLevel = 32 << 10;

// How many rows of the given number of vectors stay in the second-level cache.
inline int64_t cached_rows(int64_t row, int64_t rows) {
  return std::clamp<int64_t>((320 << 10) / (row * int64_t(sizeof(Vec))), 1, rows);
}

// ---- vectors across lanes

template <int D, int... L>
inline Vec low_halves(Vec a, Vec b, std::integer_sequence<int, L...>) {
  return __builtin_shuffle(a, b, IntVec{((L & D) ? kLanes + L - D : L)...});
}
template <int D, int... L>
inline Vec high_halves(Vec a, Vec b, std::integer_sequence<int, L...>) {
  return __builtin_shuffle(a, b, IntVec{((L & D) ? kLanes + L : L + D)...});
}
constexpr auto kEveryLane = std::make_integer_sequence<int, kLanes>{};

// Lane l of v[i] becomes lane i of v[l].
template <int D = 1>
inline void transpose(Vec (&v)[kLanes]) {
  ORT_UNROLL
  for (int i = 0; i < kLanes; i++)
    if ((i & D) == 0) {
      const Vec a = v[i], b = v[i + D];
      v[i] = low_halves<D>(a, b, kEveryLane);
      v[i + D] = high_halves<D>(a, b, kEveryLane);
    }
  if constexpr (2 * D < kLanes) transpose<2 * D>(v);
}

// Lane i of the result is the sum over the lanes of v[i].
template <int D = 1>
inline Vec sums(Vec (&v)[kLanes / D]) {
  Vec half[kLanes / D / 2];
  ORT_UNROLL
  for (int i = 0; i < kLanes / D / 2; i++)
    half[i] = low_halves<D>(v[2 * i], v[2 * i + 1], kEveryLane) + high_halves<D>(v[2 * i], v[2 * i + 1], kEveryLane);
  if constexpr (2 * D < kLanes) {
    return sums<2 * D>(half);
  } else {
    return half[0];
  }
}

inline double total(Vec v) {
  double sum = 0;
  for (int l = 0; l < kLanes; l++) sum += v[l];
  return sum;
}

// exp(x) - 1 for x <= 0: x = n*ln 2 + r, and 2^n * (exp(r) - 1) + (2^n - 1), which is
// exact to the last bits near zero too. NaN stays NaN.
inline Vec expm1_negative(Vec x) {
  x = x < -87.0f ? splat(-87.0f) : x;
  const float rounder = 12582912.0f; // 1.5 * 2^23: adding it rounds to an integer
  const Vec shifted = x * 1.44269504f + rounder, n = shifted - rounder;
  const Vec r = x - n * 0.693145752f - n * 1.42860677e-6f;
  Vec p = r * (1 / 5040.0f) + 1 / 720.0f;
  p = p * r + 1 / 120.0f;
  p = p * r + 1 / 24.0f;
  p = p * r + 1 / 6.0f;
  p = p * r + 0.5f;
  const Vec q = p * r * r + r;
  const IntVec exponent = reinterpret_cast<IntVec>(shifted) - reinterpret_cast<IntVec>(splat(rounder)) + 127;
  const Vec power = reinterpret_cast<Vec>(exponent << 23);
  return power * q + (power - 1.0f);
}

inline Vec elu(Vec x) { return x > 0.0f ? x : expm1_negative(x); }
// The slope of ELU where its value is a.
inline Vec elu_slope(Vec a) { return a > 0.0f ? splat(1) : a + 1.0f; }

// Calls body(at, values) for all vectors of a run, the rest of which is in a vector
// with zeros behind, and says how many values count.
template <class Body>
inline void over_run(int64_t length, Body body) {
  int64_t at = 0;
  for (; length - at >= kLanes; at += kLanes) body(at, kLanes);
  if (at < length) body(at, length - at);
}
inline Vec load_some(const float *from, int64_t n) {
  if (n == kLanes) return load(from);
  Vec v{};
  for (int64_t l = 0; l < n; l++) v[l] = from[l];
  return v;
}
inline void store_some(float *to, Vec v, int64_t n) {
  if (n == kLanes) return store(to, v);
  for (int64_t l = 0; l < n; l++) to[l] = v[l];
}

// ---- forward

// u of C positions, F frames: x is at the first frame, stride its distance to the next.
template <int F, int C>
inline void temporal_tile(int64_t kt, const float *x, int64_t stride, const Vec *taps, Vec *u, int64_t u_frame) {
  Vec acc[F][C] = {};
  // Frame j of the input meets tap j - f of frame f of the output.
  const auto meet = [&](int64_t j, auto first_frame, auto last_frame) {
    constexpr int first = decltype(first_frame)::value, end = decltype(last_frame)::value;
    Vec w[F];
    for (int f = first; f < end; f++) w[f] = taps[j - f];
    ORT_UNROLL
    for (int c = 0; c < C; c++) {
      const Vec value = splat(x[j * stride + c]);
      for (int f = first; f < end; f++) acc[f][c] += w[f] * value;
    }
  };
  std::integral_constant<int, 0> zero;
  std::integral_constant<int, 1> one;
  std::integral_constant<int, F> all;
  static_assert(F <= 2, "frames between the first and the last need a loop");
  if constexpr (F == 2) meet(0, zero, one);
  for (int64_t j = F - 1; j < kt; j++) meet(j, zero, all);
  if constexpr (F == 2) meet(kt, one, all);
  ORT_UNROLL
  for (int f = 0; f < F; f++)
    ORT_UNROLL
    for (int c = 0; c < C; c++) u[f * u_frame + c] = acc[f][c];
}

// Rows of a strip of the padded frames.
struct Strip {
  int64_t first, rows;
};

// u of F frames from t, for a strip of rows of one input channel; borders are zero.
template <int F>
inline void temporal_strip(const SeparableShape &s, Strip strip, int64_t t, const float *channel, const Vec *taps,
                           Vec *u) {
  const int64_t width = s.padded_width(), plane = s.height * s.width, u_frame = strip.rows * width;
  const int64_t begin = std::clamp(s.top - strip.first, int64_t(0), strip.rows);
  const int64_t end = std::clamp(s.top + s.height - strip.first, begin, strip.rows);
  for (int f = 0; f < F; f++) {
    std::fill(u + f * u_frame, u + f * u_frame + begin * width, Vec{});
    std::fill(u + f * u_frame + end * width, u + (f + 1) * u_frame, Vec{});
  }
  const float *x = channel + t * plane + (strip.first + begin - s.top) * s.width;
  const auto line = [&](int64_t n, const float *from, Vec *to) {
    in_pieces<ORT_TEMPORAL_COLUMNS>(n, [&](int64_t at, auto columns) {
      temporal_tile<F, columns>(s.kt, from + at, plane, taps, to + at, u_frame);
    });
  };
  if (width == s.width) return line((end - begin) * width, x, u + begin * width);
  for (int64_t r = begin; r < end; r++, x += s.width) {
    Vec *row = u + r * width;
    for (int f = 0; f < F; f++) {
      std::fill(row + f * u_frame, row + f * u_frame + s.left, Vec{});
      std::fill(row + f * u_frame + s.left + s.width, row + f * u_frame + width, Vec{});
    }
    line(s.width, x, row + s.left);
  }
}

// y of C neighbours in a row of F frames += n rows of K taps over u.
template <int F, int C, int K>
inline void spatial_tile(const SeparableShape &s, int64_t n, const Vec *u, int64_t u_frame, const Vec *taps, Vec *y,
                         int64_t y_frame) {
  Vec acc[F][C];
  ORT_UNROLL
  for (int f = 0; f < F; f++)
    ORT_UNROLL
    for (int c = 0; c < C; c++) acc[f][c] = y[f * y_frame + c];
  const int64_t width = s.padded_width();
  for (int64_t h = 0; h < n; h++, taps += s.kw, u += width) {
    Vec w[K];
    ORT_UNROLL
    for (int k = 0; k < K; k++) w[k] = taps[k];
    ORT_UNROLL
    for (int j = 0; j < C + K - 1; j++)
      ORT_UNROLL
      for (int f = 0; f < F; f++) {
        const Vec value = u[f * u_frame + j];
        ORT_UNROLL
        for (int c = 0; c < C; c++)
          if (c <= j && j - c < K) acc[f][c] += w[j - c] * value;
      }
  }
  ORT_UNROLL
  for (int f = 0; f < F; f++)
    ORT_UNROLL
    for (int c = 0; c < C; c++) y[f * y_frame + c] = acc[f][c];
}

// y of rows += the spatial taps over u, F frames. As many rows of taps at a time as
// keep the rows of u that they meet in the first-level cache.
template <int F>
inline void spatial_strip(const SeparableShape &s, int64_t rows, const Vec *u, int64_t u_frame, const Vec *taps,
                          Vec *y) {
  const int64_t columns = s.out_width(), width = s.padded_width(), y_frame = rows * columns;
  const int64_t most = std::clamp<int64_t>(kFirstLevel / (F * width * int64_t(sizeof(Vec))), 1, s.kh);
  for (int64_t h = 0; h < s.kh; h += most)
    in_pieces<ORT_TAPS>(s.kw, [&](int64_t tap, auto k) {
      for (int64_t r = 0; r < rows; r++)
        in_pieces<ORT_COLUMNS>(columns, [&](int64_t at, auto c) {
          spatial_tile<F, c, k>(s, std::min(most, s.kh - h), u + (r + h) * width + at + tap, u_frame,
                                taps + h * s.kw + tap, y + r * columns + at, y_frame);
        });
    });
}

// Writes n vectors of positions as lanes rows of floats, stride apart.
inline void write_lanes(int64_t n, int64_t count, const Vec *from, Epilogue e, int64_t block, float *to,
                        int64_t stride) {
  const Vec shift = e.shift == nullptr ? Vec{} : lanes(e.shift)[block];
  over_run(n, [&](int64_t at, int64_t some) {
    Vec v[kLanes];
    for (int l = 0; l < kLanes; l++) {
      v[l] = l < some ? from[at + l] : Vec{};
      if (e.shift != nullptr) v[l] = elu(v[l] + shift);
    }
    transpose(v);
    for (int64_t o = 0; o < count; o++) store_some(to + o * stride + at, v[o], some);
  });
}

// F frames from t of a strip of output rows, for one clip and block of channels.
template <int F>
inline void forward_frames(const SeparableShape &s, int64_t clip, int64_t block, Strip out, int64_t t,
                           const float *x, PackedWeights p, Epilogue e, float *y) {
  const Strip in{out.first, out.rows + s.kh - 1};
  const int64_t u_frame = in.rows * s.padded_width(), n = out.rows * s.out_width();
  Vec *u = scratch<kStrip>(kFrames * u_frame), *sum = scratch<kSums>(kFrames * n);
  std::fill(sum, sum + F * n, Vec{});
  for (int64_t i = 0; i < s.in; i++) {
    const int64_t weight = block * s.in + i;
    temporal_strip<F>(s, in, t, x + (clip * s.in + i) * s.frames * s.height * s.width,
                      lanes(p.temporal) + weight * s.kt, u);
    spatial_strip<F>(s, out.rows, u, u_frame, lanes(p.spatial) + weight * s.kh * s.kw, sum);
  }
  y += clip * s.y.clip + block * kLanes * s.y.channel + out.first * s.out_width();
  for (int f = 0; f < F; f++)
    write_lanes(n, std::min<int64_t>(kLanes, s.out - block * kLanes), sum + f * n, e, block, y + (t + f) * s.y.frame,
                s.y.channel);
}

static void forward(const SeparableShape &s, const float *x, PackedWeights p, Epilogue e, float *y) {
  const int64_t most = cached_rows(kFrames * s.padded_width(), s.padded_height()) - s.kh + 1;
  // Rows that a strip shares with the next are computed twice: not too short.
  const int64_t rows = std::min(s.out_height(), std::max(most, s.kh));
  const int64_t strips = (s.out_height() + rows - 1) / rows, pairs = (s.out_frames() + kFrames - 1) / kFrames;
  at::parallel_for(0, s.batch * blocks(s) * strips * pairs, 1, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; item++) {
      const int64_t t = item % pairs * kFrames, rest = item / pairs;
      const int64_t block = rest / strips % blocks(s), clip = rest / strips / blocks(s);
      const int64_t first = rest % strips * rows;
      const Strip out{first, std::min(rows, s.out_height() - first)};
      if (t + kFrames <= s.out_frames()) {
        forward_frames<kFrames>(s, clip, block, out, t, x, p, e, y);
      } else {
        forward_frames<1>(s, clip, block, out, t, x, p, e, y);
      }
    }
  });
}

// ---- backward

// gy of n values of every lane, as vectors of lanes.
inline void gather_lanes(int64_t n, int64_t count, const OutputGradient &g, int64_t block, int64_t at, int64_t stride,
                         Vec *to) {
  Vec pass = splat(1), slope{}, offset{};
  if (g.pass != nullptr) pass = lanes(g.pass)[block];
  if (g.slope != nullptr) slope = lanes(g.slope)[block], offset = lanes(g.offset)[block];
  over_run(n, [&](int64_t q, int64_t some) {
    Vec v[kLanes] = {};
    for (int64_t o = 0; o < count; o++) {
      const int64_t from = at + o * stride + q;
      v[o] = load_some(g.grad + from, some);
      if (g.activated != nullptr) v[o] *= elu_slope(load_some(g.activated + from, some));
      v[o] *= pass[o];
      if (g.slope != nullptr) v[o] += slope[o] * load_some(g.y + from, some) + offset[o];
    }
    transpose(v);
    for (int64_t l = 0; l < some; l++) to[q + l] = v[l];
  });
}

// The gradients of H rows of K taps over F frames.
template <int F, int H, int K>
inline void spatial_gradient_tile(const SeparableShape &s, Strip out, const Vec *gy, int64_t gy_frame, const Vec *u,
                                  int64_t u_frame, Vec *grad) {
  Vec acc[H][K];
  ORT_UNROLL
  for (int h = 0; h < H; h++)
    ORT_UNROLL
    for (int k = 0; k < K; k++) acc[h][k] = grad[h * s.kw + k];
  const int64_t columns = s.out_width(), width = s.padded_width();
  const auto meet = [&](const Vec *g, const Vec *from, auto size) {
    constexpr int C = decltype(size)::value;
    Vec value[C];
    ORT_UNROLL
    for (int c = 0; c < C; c++) value[c] = g[c];
    ORT_UNROLL
    for (int j = 0; j < C + K - 1; j++)
      ORT_UNROLL
      for (int h = 0; h < H; h++) {
        const Vec v = from[h * width + j];
        ORT_UNROLL
        for (int c = 0; c < C; c++)
          if (c <= j && j - c < K) acc[h][j - c] += value[c] * v;
      }
  };
  for (int f = 0; f < F; f++)
    for (int64_t r = 0; r < out.rows; r++) {
      const Vec *g = gy + f * gy_frame + r * columns, *from = u + f * u_frame + r * width;
      int64_t c = 0;
      for (; columns - c >= ORT_GRADIENT_COLUMNS; c += ORT_GRADIENT_COLUMNS)
        meet(g + c, from + c, std::integral_constant<int, ORT_GRADIENT_COLUMNS>{});
      for (; columns - c >= 2; c += 2) meet(g + c, from + c, std::integral_constant<int, 2>{});
      if (c < columns) meet(g + c, from + c, std::integral_constant<int, 1>{});
    }
  ORT_UNROLL
  for (int h = 0; h < H; h++)
    ORT_UNROLL
    for (int k = 0; k < K; k++) grad[h * s.kw + k] = acc[h][k];
}

template <int F>
inline void spatial_gradient(const SeparableShape &s, Strip out, const Vec *gy, int64_t gy_frame, const Vec *u,
                             int64_t u_frame, Vec *grad) {
  in_pieces<ORT_GRADIENT_ROWS>(s.kh, [&](int64_t row, auto h) {
    in_pieces<ORT_TAPS>(s.kw, [&](int64_t tap, auto k) {
      spatial_gradient_tile<F, h, k>(s, out, gy, gy_frame, u + row * s.padded_width() + tap, u_frame,
                                     grad + row * s.kw + tap);
    });
  });
}

// v of one row of F frames += K columns of taps over C neighbours of gy in the rows
// that reach it; taps and gy are at the first of n such rows.
template <int F, int C, int K>
inline void transposed_tile(const SeparableShape &s, int64_t n, const Vec *gy, int64_t gy_frame, const Vec *taps,
                            Vec *v, int64_t v_frame) {
  Vec acc[F][C + K - 1] = {};
  for (int64_t h = 0; h < n; h++, taps += s.kw, gy -= s.out_width()) {
    Vec w[K];
    ORT_UNROLL
    for (int k = 0; k < K; k++) w[k] = taps[k];
    ORT_UNROLL
    for (int c = 0; c < C; c++)
      ORT_UNROLL
      for (int f = 0; f < F; f++) {
        const Vec value = gy[f * gy_frame + c];
        ORT_UNROLL
        for (int k = 0; k < K; k++) acc[f][c + k] += w[k] * value;
      }
  }
  ORT_UNROLL
  for (int f = 0; f < F; f++)
    ORT_UNROLL
    for (int j = 0; j < C + K - 1; j++) v[f * v_frame + j] += acc[f][j];
}

// How far apart frames of v lie. Along time its values are far apart: an odd number of
// cache lines spreads them over all sets of the first-level cache.
inline int64_t transposed_frame(const SeparableShape &s, Strip strip) { return strip.rows * s.padded_width() | 1; }

// v[t][p] = sum over taps of spatial[tap] * gy[t][p - tap], the gradient of u, for F
// frames of a strip of padded rows.
template <int F>
inline void transposed_strip(const SeparableShape &s, Strip strip, const Vec *gy, const Vec *taps, Vec *v) {
  const int64_t columns = s.out_width(), width = s.padded_width(), gy_frame = s.out_height() * columns;
  const int64_t v_frame = transposed_frame(s, strip);
  std::fill(v, v + F * v_frame, Vec{});
  for (int64_t r = 0; r < strip.rows; r++) {
    const int64_t y = strip.first + r;
    const int64_t first = std::max<int64_t>(0, y - s.out_height() + 1), end = std::min(s.kh, y + 1);
    in_pieces<ORT_TAPS>(s.kw, [&](int64_t tap, auto k) {
      in_pieces<ORT_TRANSPOSED_COLUMNS>(columns, [&](int64_t at, auto c) {
        transposed_tile<F, c, k>(s, end - first, gy + (y - first) * columns + at, gy_frame,
                                 taps + first * s.kw + tap, v + r * width + at + tap, v_frame);
      });
    });
  }
}

// grad[0..K) += sum over positions and F frames of v[t] * x[t + tau].
template <int F, int K>
inline void temporal_gradient_tile(int64_t n, const float *x, int64_t stride, const Vec *v, int64_t v_frame,
                                   Vec *acc) {
  for (int64_t q = 0; q < n; q++) {
    Vec value[F];
    ORT_UNROLL
    for (int f = 0; f < F; f++) value[f] = v[f * v_frame + q];
    ORT_UNROLL
    for (int j = 0; j < K + F - 1; j++) {
      const Vec frame = splat(x[j * stride + q]);
      ORT_UNROLL
      for (int f = 0; f < F; f++)
        if (f <= j && j - f < K) acc[j - f] += value[f] * frame;
    }
  }
}

// The rows of a strip that lie in the input, not in its border.
inline Strip interior(const SeparableShape &s, Strip strip) {
  const int64_t first = std::max(strip.first, s.top);
  return {first, std::max<int64_t>(0, std::min(strip.first + strip.rows, s.top + s.height) - first)};
}

// grad += sum over t and the strip's positions of v[t] * x[t + tau]; v has the given
// frames, a strip of padded rows each.
inline void temporal_gradient(const SeparableShape &s, Strip strip, const float *channel, const Vec *v, Vec *grad) {
  const Strip inside = interior(s, strip);
  const int64_t plane = s.height * s.width, v_frame = transposed_frame(s, strip);
  const Vec *start = v + (inside.first - strip.first) * s.padded_width() + s.left;
  const float *x = channel + (inside.first - s.top) * s.width;
  in_pieces<ORT_TEMPORAL_TAPS>(s.kt, [&](int64_t tau, auto taps) {
    constexpr int k = decltype(taps)::value;
    Vec acc[k];
    ORT_UNROLL
    for (int j = 0; j < k; j++) acc[j] = grad[tau + j];
    for (int64_t t = 0; t < s.out_frames(); t += kFrames)
      for (int64_t r = 0; r < inside.rows; r++) {
        const float *from = x + (t + tau) * plane + r * s.width;
        const Vec *row = start + t * v_frame + r * s.padded_width();
        if (t + kFrames <= s.out_frames()) {
          temporal_gradient_tile<kFrames, k>(s.width, from, plane, row, v_frame, acc);
        } else {
          temporal_gradient_tile<1, k>(s.width, from, plane, row, v_frame, acc);
        }
      }
    ORT_UNROLL
    for (int j = 0; j < k; j++) grad[tau + j] = acc[j];
  });
}

// Frames of the input that are computed together, at two neighbouring positions.
constexpr int kInputFrames = kLanes / 2;

// grad_x, at two positions, of the frames from first on: the sum over lanes and tau of
// temporal[tau] * v[frame - tau]. taps have kInputFrames - 1 zeros on both sides.
inline Vec input_gradient_tile(const SeparableShape &s, int64_t first, const Vec *v, int64_t next, int64_t v_frame,
                               const Vec *taps) {
  Vec acc[kLanes] = {};
  const int64_t begin = std::max<int64_t>(0, first - s.kt + 1);
  const int64_t end = std::min(s.out_frames(), first + kInputFrames);
  for (int64_t t = begin; t < end; t++) {
    const Vec one = v[t * v_frame], other = v[t * v_frame + next], *w = taps + first - t;
    ORT_UNROLL
    for (int j = 0; j < kInputFrames; j++) {
      const Vec tap = w[j];
      acc[j] += tap * one;
      acc[kInputFrames + j] += tap * other;
    }
  }
  return sums(acc);
}

// grad_x of the strip's positions from v, all frames of it; added to what is there
// where add says so.
inline void input_gradient(const SeparableShape &s, Strip strip, const Vec *v, const Vec *temporal, float *grad_x,
                           bool add) {
  const Strip inside = interior(s, strip);
  const int64_t taps_size = s.kt + 2 * (kInputFrames - 1), plane = s.height * s.width;
  const int64_t v_frame = transposed_frame(s, strip);
  Vec *taps = scratch<kTaps>(taps_size);
  std::fill(taps, taps + taps_size, Vec{});
  std::copy(temporal, temporal + s.kt, taps + kInputFrames - 1);
  for (int64_t r = 0; r < inside.rows; r++)
    for (int64_t c = 0; c < s.width; c += 2) {
      const Vec *from = v + (inside.first + r - strip.first) * s.padded_width() + s.left + c;
      const int64_t two = c + 1 < s.width;
      float *to = grad_x + (inside.first + r - s.top) * s.width + c;
      for (int64_t first = 0; first < s.frames; first += kInputFrames) {
        const Vec sum = input_gradient_tile(s, first, from, two, v_frame, taps + kInputFrames - 1);
        const int64_t end = std::min<int64_t>(kInputFrames, s.frames - first);
        for (int64_t j = 0; j < end; j++)
          for (int64_t other = 0; other <= two; other++) {
            float &value = to[(first + j) * plane + other];
            value = sum[other * kInputFrames + j] + (add ? value : 0);
          }
      }
    }
}

// What the gradients of one clip and input channel are made of.
struct ChannelGradient {
  const float *x;      // the channel's frames
  const Vec *gy;       // [frame][position], of one block
  const Vec *spatial, *temporal;
  Vec *grad_spatial, *grad_temporal;
  float *grad_x;       // added to where it is not the first block's
  bool add;
};

// The gradient of the spatial taps from some frames: u is computed again.
inline void spatial_part(const SeparableShape &s, const ChannelGradient &g, int64_t begin, int64_t end) {
  const int64_t most = cached_rows(kFrames * s.padded_width(), s.padded_height()) - s.kh + 1;
  const int64_t rows = std::min(s.out_height(), std::max(most, s.kh));
  const int64_t columns = s.out_width(), gy_frame = s.out_height() * columns;
  const auto frames = [&](int64_t t, int64_t first, auto f) {
    const Strip out{first, std::min(rows, s.out_height() - first)}, in{first, out.rows + s.kh - 1};
    const int64_t u_frame = in.rows * s.padded_width();
    Vec *u = scratch<kStrip>(kFrames * u_frame);
    temporal_strip<f>(s, in, t, g.x, g.temporal, u);
    spatial_gradient<f>(s, out, g.gy + t * gy_frame + first * columns, gy_frame, u, u_frame, g.grad_spatial);
  };
  for (int64_t first = 0; first < s.out_height(); first += rows)
    for (int64_t t = begin; t < end; t += kFrames) {
      if (t + kFrames <= end) {
        frames(t, first, std::integral_constant<int, kFrames>{});
      } else {
        frames(t, first, std::integral_constant<int, 1>{});
      }
    }
}

// The gradients of temporal taps and input from some padded rows.
inline void temporal_part(const SeparableShape &s, const ChannelGradient &g, int64_t begin, int64_t end) {
  const int64_t width = s.padded_width(), plane = s.out_height() * s.out_width();
  const int64_t rows = cached_rows(s.out_frames() * width, s.padded_height());
  for (int64_t first = begin; first < end; first += rows) {
    const Strip strip{first, std::min(rows, end - first)};
    const int64_t v_frame = transposed_frame(s, strip);
    Vec *v = scratch<kTransposed>(s.out_frames() * v_frame);
    for (int64_t t = 0; t < s.out_frames(); t += kFrames) {
      if (t + kFrames <= s.out_frames()) {
        transposed_strip<kFrames>(s, strip, g.gy + t * plane, g.spatial, v + t * v_frame);
      } else {
        transposed_strip<1>(s, strip, g.gy + t * plane, g.spatial, v + t * v_frame);
      }
    }
    if (g.grad_temporal != nullptr) temporal_gradient(s, strip, g.x, v, g.grad_temporal);
    if (g.grad_x != nullptr) input_gradient(s, strip, v, g.temporal, g.grad_x, g.add);
  }
}

// gy of some clips, from the first on, in lanes: [clip][block][frame][position].
inline void gather_clips(const SeparableShape &s, const OutputGradient &g, int64_t first, int64_t clips, Vec *to) {
  const int64_t plane = s.out_height() * s.out_width();
  at::parallel_for(0, clips * blocks(s) * s.out_frames(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; item++) {
      const int64_t t = item % s.out_frames(), block = item / s.out_frames() % blocks(s);
      const int64_t clip = first + item / s.out_frames() / blocks(s);
      gather_lanes(plane, std::min<int64_t>(kLanes, s.out - block * kLanes), g, block,
                   clip * s.y.clip + block * kLanes * s.y.channel + t * s.y.frame, s.y.channel, to + item * plane);
    }
  });
}

static void backward(const SeparableShape &s, const float *x, PackedWeights p, OutputGradient g,
                     SeparableGradients to) {
  const int64_t taps = s.kh * s.kw, channel = s.frames * s.height * s.width, parts = gradient_parts(s);
  const int64_t all_lanes = blocks(s) * s.out_frames() * s.out_height() * s.out_width();
  // As many clips at a time as keep the threads busy.
  const int64_t group = std::min(s.batch, (2 * at::get_num_threads() + s.in * parts - 1) / (s.in * parts));
  Vec *gy = scratch<kSums>(group * all_lanes);
  for (int64_t first = 0; first < s.batch; first += group) {
    const int64_t clips = std::min(group, s.batch - first);
    gather_clips(s, g, first, clips, gy);
    at::parallel_for(0, clips * s.in * parts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t item = begin; item < end; item++) {
        const int64_t part = item % parts, i = item / parts % s.in, clip = item / parts / s.in;
        for (int64_t b = 0; b < blocks(s); b++) {
          const int64_t weight = b * s.in + i, partial = (((first + clip) * parts + part) * blocks(s) + b) * s.in + i;
          const ChannelGradient c{
              x + ((first + clip) * s.in + i) * channel, gy + (clip * blocks(s) + b) * (all_lanes / blocks(s)),
              lanes(p.spatial) + weight * taps, lanes(p.temporal) + weight * s.kt,
              to.spatial == nullptr ? nullptr : lanes(to.spatial) + partial * taps,
              to.temporal == nullptr ? nullptr : lanes(to.temporal) + partial * s.kt,
              to.x == nullptr ? nullptr : to.x + ((first + clip) * s.in + i) * channel, b > 0};
          if (to.spatial != nullptr)
            spatial_part(s, c, s.out_frames() * part / parts, s.out_frames() * (part + 1) / parts);
          if (to.temporal != nullptr || to.x != nullptr)
            temporal_part(s, c, s.padded_height() * part / parts, s.padded_height() * (part + 1) / parts);
        }
      }
    });
  }
}

// ---- BatchNorm and ELU

// The values of one channel of a clip: in one piece, or frame by frame.
struct Run {
  int64_t number, channel; // number counts channels and clips
  int64_t first, pieces, stride, length;

  // Calls body(at, n) for vectors of n values, kLanes but at the ends of pieces.
  template <class Body>
  void each(Body body) const {
    for (int64_t p = 0; p < pieces; p++)
      over_run(length, [&](int64_t at, int64_t n) { body(first + p * stride + at, n); });
  }
};

template <class Body>
inline void each_run(const SeparableShape &s, Body body) {
  const int64_t plane = s.out_height() * s.out_width(), pieces = s.y.frame == plane ? 1 : s.out_frames();
  at::parallel_for(0, s.batch * s.out, 1, [&](int64_t begin, int64_t end) {
    for (int64_t run = begin; run < end; run++) {
      const int64_t channel = run % s.out, first = run / s.out * s.y.clip + channel * s.y.channel;
      body(Run{run, channel, first, pieces, s.y.frame, s.out_frames() * plane / pieces});
    }
  });
}

static void moments(const SeparableShape &s, const float *y, double *mean, double *squares) {
  each_run(s, [&](const Run &run) {
    Vec sum{}, deviation{};
    run.each([&](int64_t at, int64_t n) { sum += load_some(y + at, n); });
    mean[run.number] = total(sum) / double(run.pieces * run.length);
    const float center = float(mean[run.number]);
    run.each([&](int64_t at, int64_t n) {
      Vec d = load_some(y + at, n) - center;
      for (int64_t l = n; l < kLanes; l++) d[l] = 0;
      deviation += d * d;
    });
    squares[run.number] = total(deviation);
  });
}

static void activate(const SeparableShape &s, const float *y, const float *scale, const float *shift, float *a) {
  each_run(s, [&](const Run &run) {
    const float factor = scale[run.channel], offset = shift[run.channel];
    run.each([&](int64_t at, int64_t n) { store_some(a + at, elu(load_some(y + at, n) * factor + offset), n); });
  });
}

static void gradient_sums(const SeparableShape &s, OutputGradient g, double *sum, double *product) {
  each_run(s, [&](const Run &run) {
    Vec plain{}, times_y{};
    run.each([&](int64_t at, int64_t n) {
      const Vec passed = load_some(g.grad + at, n) * elu_slope(load_some(g.activated + at, n));
      plain += passed;
      times_y += passed * load_some(g.y + at, n);
    });
    sum[run.number] = total(plain), product[run.number] = total(times_y);
  });
}
