// The kernels of separable.h, written once with vectors of kLanes floats. Each
// variant includes this file under its own namespace and target.
//
// For each clip, block of output channels, input channel and strip of rows:
//   z[q][f]   = sum over taps of spatial[tap] * x[f][q + tap]   (broadcast x, lanes over channels)
//   y[q][t]  += sum over tau of temporal[tau] * z[q][t + tau]
// The strip is chosen so that z and y stay in the second-level cache. The full
// kernel (kt times kh times kw taps) is never formed: a position costs kh*kw + kt
// multiply-adds for each pair of channels instead of kh*kw*kt.

// One value for each lane, in as many registers as the target needs. (GCC's own
// vectors of 64 bytes are passed through memory where registers are shorter.)
struct alignas(64) Vec {
  static constexpr int kParts = kLanes * sizeof(float) / ORT_REGISTER;
  typedef float Part __attribute__((vector_size(ORT_REGISTER), may_alias));
  Part part[kParts];

  Vec &operator+=(const Vec &other) {
    for (int i = 0; i < kParts; i++) part[i] += other.part[i];
    return *this;
  }
  // this + a * b, in one rounding where the target has it.
  template <class B>
  void add_product(const Vec &a, const B &b) {
    if constexpr (std::is_same_v<B, float>) {
      for (int i = 0; i < kParts; i++) part[i] += a.part[i] * b;
    } else {
      for (int i = 0; i < kParts; i++) part[i] += a.part[i] * b.part[i];
    }
  }
  float sum() const {
    float total = 0;
    for (int o = 0; o < kLanes; o++) total += reinterpret_cast<const float *>(part)[o];
    return total;
  }
};

inline float &lane(Vec &v, int64_t o) { return reinterpret_cast<float *>(v.part)[o]; }

// Scratch memory of one thread; grows, never shrinks within a call.
class Scratch {
 public:
  Vec *get(int64_t n) {
    if (n > size_) {
      std::free(data_);
      data_ = static_cast<Vec *>(std::aligned_alloc(64, n * sizeof(Vec)));
      if (data_ == nullptr) throw std::bad_alloc();
      size_ = n;
    }
    return data_;
  }
  ~Scratch() { std::free(data_); }

 private:
  Vec *data_ = nullptr;
  int64_t size_ = 0;
};

// Rows of a strip: z of all frames and y of all output frames in about 320 kB.
inline int64_t strip_rows(const SeparableShape &s) {
  const int64_t row = s.out_width() * (2 * s.frames) * int64_t(sizeof(Vec));
  return std::max<int64_t>(1, std::min(s.out_height(), (320 << 10) / row));
}

// z for R rows and C columns of positions of one frame.
template <int R, int C>
inline void spatial_block(const SeparableShape &s, const float *x, const Vec *weights, Vec *z, int64_t z_row,
                          int64_t z_column) {
  Vec acc[R][C];
  for (int r = 0; r < R; r++)
    for (int c = 0; c < C; c++) acc[r][c] = Vec{};
  for (int64_t h = 0; h < s.kh; h++) {
    const float *row = x + h * s.width;
    for (int64_t w = 0; w < s.kw; w++) {
      const Vec v = weights[h * s.kw + w];
      for (int r = 0; r < R; r++)
        for (int c = 0; c < C; c++) acc[r][c].add_product(v, row[r * s.width + w + c]);
    }
  }
  for (int r = 0; r < R; r++)
    for (int c = 0; c < C; c++) z[r * z_row + c * z_column] = acc[r][c];
}

template <int R>
inline void spatial_columns(const SeparableShape &s, int64_t n, const float *x, const Vec *weights, Vec *z,
                            int64_t z_row, int64_t z_column) {
  int64_t c = 0;
  for (; n - c >= ORT_COLUMNS; c += ORT_COLUMNS)
    spatial_block<R, ORT_COLUMNS>(s, x + c, weights, z + c * z_column, z_row, z_column);
  for (; n - c >= 4; c += 4) spatial_block<R, 4>(s, x + c, weights, z + c * z_column, z_row, z_column);
  for (; n - c >= 2; c += 2) spatial_block<R, 2>(s, x + c, weights, z + c * z_column, z_row, z_column);
  for (; c < n; c++) spatial_block<R, 1>(s, x + c, weights, z + c * z_column, z_row, z_column);
}

// z[q][f] for a strip of rows, all frames; x is one input channel at the strip's
// first row.
inline void spatial_strip(const SeparableShape &s, int64_t rows, const float *x, const Vec *weights, Vec *z) {
  const int64_t columns = s.out_width();
  for (int64_t f = 0; f < s.frames; f++) {
    const float *frame = x + f * s.height * s.width;
    int64_t r = 0;
    for (; rows - r >= ORT_ROWS; r += ORT_ROWS)
      spatial_columns<ORT_ROWS>(s, columns, frame + r * s.width, weights, z + r * columns * s.frames + f,
                                columns * s.frames, s.frames);
    for (; r < rows; r++)
      spatial_columns<1>(s, columns, frame + r * s.width, weights, z + r * columns * s.frames + f, 0, s.frames);
  }
}

// y[0..N) += sum over tau of temporal[tau] * z[tau..tau+N).
template <int N>
inline void temporal_block(int64_t kt, const Vec *z, const Vec *temporal, Vec *y) {
  Vec acc[N];
  for (int t = 0; t < N; t++) acc[t] = y[t];
  for (int64_t tau = 0; tau < kt; tau++) {
    const Vec v = temporal[tau];
    for (int t = 0; t < N; t++) acc[t].add_product(v, z[tau + t]);
  }
  for (int t = 0; t < N; t++) y[t] = acc[t];
}

inline void temporal_line(int64_t kt, int64_t n, const Vec *z, const Vec *temporal, Vec *y) {
  int64_t t = 0;
  for (; n - t >= ORT_TIMES; t += ORT_TIMES) temporal_block<ORT_TIMES>(kt, z + t, temporal, y + t);
  for (; n - t >= 2; t += 2) temporal_block<2>(kt, z + t, temporal, y + t);
  for (; t < n; t++) temporal_block<1>(kt, z + t, temporal, y + t);
}

// One strip of one clip and block of channels.
inline void forward_strip(const SeparableShape &s, int64_t clip, int64_t block, int64_t first_row, int64_t rows,
                          const float *x, PackedWeights p, float *y, Scratch &scratch) {
  const int64_t columns = s.out_width(), q_count = rows * columns, out_frames = s.out_frames();
  Vec *z = scratch.get(q_count * (s.frames + out_frames));
  Vec *sum = z + q_count * s.frames;
  std::fill(sum, sum + q_count * out_frames, Vec{});
  for (int64_t i = 0; i < s.in; i++) {
    const float *channel = x + (clip * s.in + i) * s.frames * s.height * s.width + first_row * s.width;
    const Vec *spatial = reinterpret_cast<const Vec *>(p.spatial) + (block * s.in + i) * s.kh * s.kw;
    const Vec *temporal = reinterpret_cast<const Vec *>(p.temporal) + (block * s.in + i) * s.kt;
    spatial_strip(s, rows, channel, spatial, z);
    for (int64_t q = 0; q < q_count; q++)
      temporal_line(s.kt, out_frames, z + q * s.frames, temporal, sum + q * out_frames);
  }
  const int64_t lanes = std::min(kLanes, s.out - block * kLanes), plane = s.out_height() * columns;
  for (int64_t o = 0; o < lanes; o++) {
    float *to = y + ((clip * s.out + block * kLanes + o) * out_frames) * plane + first_row * columns;
    for (int64_t t = 0; t < out_frames; t++, to += plane)
      for (int64_t q = 0; q < q_count; q++) to[q] = lane(sum[q * out_frames + t], o);
  }
}

static void forward(const SeparableShape &s, const float *x, PackedWeights p, float *y) {
  const int64_t rows = strip_rows(s), strips = (s.out_height() + rows - 1) / rows;
  at::parallel_for(0, s.batch * s.blocks() * strips, 1, [&](int64_t begin, int64_t end) {
    Scratch scratch;
    for (int64_t item = begin; item < end; item++) {
      const int64_t strip = item % strips, block = item / strips % s.blocks(), clip = item / strips / s.blocks();
      const int64_t first = strip * rows;
      forward_strip(s, clip, block, first, std::min(rows, s.out_height() - first), x, p, y, scratch);
    }
  });
}

// gy of one clip and block in lanes: [q][t], over all positions.
inline void gather_lanes(const SeparableShape &s, int64_t clip, int64_t block, const float *gy, Vec *out) {
  const int64_t frames = s.out_frames(), plane = s.out_height() * s.out_width();
  const int64_t lanes = std::min(kLanes, s.out - block * kLanes);
  if (lanes < kLanes) std::fill(out, out + plane * frames, Vec{});
  for (int64_t o = 0; o < lanes; o++) {
    const float *from = gy + ((clip * s.out + block * kLanes + o) * frames) * plane;
    for (int64_t t = 0; t < frames; t++, from += plane)
      for (int64_t q = 0; q < plane; q++) lane(out[q * frames + t], o) = from[q];
  }
}

// gz[f] = sum over tau of temporal[tau] * gy[f - tau], for all frames of one
// position; padded has kt - 1 zeros on either side of gy.
inline void temporal_transposed(int64_t kt, int64_t frames, const Vec *padded, const Vec *reversed, Vec *gz) {
  std::fill(gz, gz + frames, Vec{});
  temporal_line(kt, frames, padded, reversed, gz);
}

// grad[tau] += sum over t of gy[t] * z[t + tau].
inline void temporal_gradient(int64_t kt, int64_t n, const Vec *z, const Vec *gy, Vec *grad) {
  int64_t tau = 0;
  for (; kt - tau >= 4; tau += 4) {
    Vec a = grad[tau], b = grad[tau + 1], c = grad[tau + 2], d = grad[tau + 3];
    for (int64_t t = 0; t < n; t++) {
      const Vec g = gy[t];
      a.add_product(g, z[t + tau]), b.add_product(g, z[t + tau + 1]);
      c.add_product(g, z[t + tau + 2]), d.add_product(g, z[t + tau + 3]);
    }
    grad[tau] = a, grad[tau + 1] = b, grad[tau + 2] = c, grad[tau + 3] = d;
  }
  for (; tau < kt; tau++) {
    Vec a = grad[tau];
    for (int64_t t = 0; t < n; t++) a.add_product(gy[t], z[t + tau]);
    grad[tau] = a;
  }
}

// grad[tap] += sum over positions of gz[position] * x[position + tap], for C taps
// of one kernel row and one frame.
template <int C>
inline void spatial_gradient_taps(const SeparableShape &s, const float *x, const Vec *gz, Vec *grad) {
  Vec acc[C];
  for (int c = 0; c < C; c++) acc[c] = grad[c];
  for (int64_t h = 0; h < s.out_height(); h++)
    for (int64_t w = 0; w < s.out_width(); w++) {
      const Vec g = gz[h * s.out_width() + w];
      const float *at = x + h * s.width + w;
      for (int c = 0; c < C; c++) acc[c].add_product(g, at[c]);
    }
  for (int c = 0; c < C; c++) grad[c] = acc[c];
}

inline void spatial_gradient(const SeparableShape &s, const float *frame, const Vec *gz, Vec *grad) {
  for (int64_t h = 0; h < s.kh; h++) {
    const float *x = frame + h * s.width;
    Vec *row = grad + h * s.kw;
    int64_t w = 0;
    for (; s.kw - w >= ORT_TAPS; w += ORT_TAPS) spatial_gradient_taps<ORT_TAPS>(s, x + w, gz, row + w);
    for (; s.kw - w >= 4; w += 4) spatial_gradient_taps<4>(s, x + w, gz, row + w);
    for (; w < s.kw; w++) spatial_gradient_taps<1>(s, x + w, gz, row + w);
  }
}

// grad_x of C neighbours in a row of one frame: sum over taps and lanes of
// spatial[tap] * gz[position - tap]; padded has a border of zeros, kh - 1 and kw - 1
// wide, and flipped the taps in reverse order.
template <int C>
inline void input_gradient_block(const SeparableShape &s, int64_t padded_width, const Vec *padded,
                                 const Vec *flipped, float *grad_x) {
  Vec acc[C];
  for (int c = 0; c < C; c++) acc[c] = Vec{};
  for (int64_t h = 0; h < s.kh; h++)
    for (int64_t w = 0; w < s.kw; w++) {
      const Vec v = flipped[h * s.kw + w];
      const Vec *at = padded + h * padded_width + w;
      for (int c = 0; c < C; c++) acc[c].add_product(v, at[c]);
    }
  for (int c = 0; c < C; c++) grad_x[c] += acc[c].sum();
}

inline void input_gradient(const SeparableShape &s, const Vec *padded, const Vec *flipped, float *grad_x) {
  const int64_t padded_width = s.width + s.kw - 1;
  for (int64_t h = 0; h < s.height; h++) {
    const Vec *row = padded + h * padded_width;
    float *to = grad_x + h * s.width;
    int64_t w = 0;
    for (; s.width - w >= ORT_TAPS; w += ORT_TAPS)
      input_gradient_block<ORT_TAPS>(s, padded_width, row + w, flipped, to + w);
    for (; w < s.width; w++) input_gradient_block<1>(s, padded_width, row + w, flipped, to + w);
  }
}

// All gradients of one clip and input channel, for one block of output channels.
class BackwardItem {
 public:
  BackwardItem(const SeparableShape &s, bool want_x)
      : s_(s), want_x_(want_x), plane_(s.out_height() * s.out_width()),
        padded_frames_(s.frames + s.kt - 1) {}

  void run(const float *x, const Vec *spatial, const Vec *temporal, const Vec *gy, float *grad_x,
           Vec *grad_spatial, Vec *grad_temporal) {
    Vec *z = z_.get(plane_ * s_.frames);
    spatial_strip(s_, s_.out_height(), x, spatial, z);
    for (int64_t q = 0; q < plane_; q++)
      temporal_gradient(s_.kt, s_.out_frames(), z + q * s_.frames, gy + q * s_.out_frames(), grad_temporal);
    Vec *gz = transposed(temporal, gy); // [frame][position]
    for (int64_t f = 0; f < s_.frames; f++)
      spatial_gradient(s_, x + f * s_.height * s_.width, gz + f * plane_, grad_spatial);
    if (want_x_) into_input(spatial, gz, grad_x);
  }

 private:
  // The gradient of z, frame by frame.
  Vec *transposed(const Vec *temporal, const Vec *gy) {
    Vec *lines = lines_.get(padded_frames_ + s_.kt + s_.frames);
    Vec *reversed = lines + padded_frames_, *line = reversed + s_.kt;
    for (int64_t tau = 0; tau < s_.kt; tau++) reversed[tau] = temporal[s_.kt - 1 - tau];
    std::fill(lines, lines + padded_frames_, Vec{});
    Vec *gz = gz_.get(plane_ * s_.frames);
    for (int64_t q = 0; q < plane_; q++) {
      std::copy(gy + q * s_.out_frames(), gy + (q + 1) * s_.out_frames(), lines + s_.kt - 1);
      temporal_transposed(s_.kt, s_.frames, lines, reversed, line);
      for (int64_t f = 0; f < s_.frames; f++) gz[f * plane_ + q] = line[f];
    }
    return gz;
  }

  void into_input(const Vec *spatial, const Vec *gz, float *grad_x) {
    const int64_t taps = s_.kh * s_.kw, width = s_.width + s_.kw - 1, height = s_.height + s_.kh - 1;
    Vec *flipped = border_.get(taps + height * width + ORT_TAPS), *padded = flipped + taps;
    for (int64_t k = 0; k < taps; k++) flipped[k] = spatial[taps - 1 - k];
    std::fill(padded, padded + height * width, Vec{});
    for (int64_t f = 0; f < s_.frames; f++) {
      for (int64_t h = 0; h < s_.out_height(); h++)
        std::copy(gz + f * plane_ + h * s_.out_width(), gz + f * plane_ + (h + 1) * s_.out_width(),
                  padded + (h + s_.kh - 1) * width + s_.kw - 1);
      input_gradient(s_, padded, flipped, grad_x + f * s_.height * s_.width);
    }
  }

  const SeparableShape &s_;
  const bool want_x_;
  const int64_t plane_, padded_frames_;
  Scratch z_, gz_, lines_, border_;
};

static void backward(const SeparableShape &s, const float *x, PackedWeights p, const float *gy, float *grad_x,
                     float *grad_spatial, float *grad_temporal) {
  const int64_t frame_count = s.out_frames(), plane = s.out_height() * s.out_width(), blocks = s.blocks();
  const int64_t taps = s.kh * s.kw, channel = s.frames * s.height * s.width;
  at::parallel_for(0, s.batch * s.in, 1, [&](int64_t begin, int64_t end) {
    Scratch lanes;
    BackwardItem item(s, grad_x != nullptr);
    for (int64_t b = 0; b < blocks; b++) {
      int64_t gathered = -1;
      for (int64_t n = begin; n < end; n++) {
        const int64_t clip = n / s.in, i = n % s.in;
        Vec *gyl = lanes.get(plane * frame_count);
        if (clip != gathered) gather_lanes(s, clip, b, gy, gyl);
        gathered = clip;
        const int64_t weight = b * s.in + i, part = (clip * blocks + b) * s.in + i;
        item.run(x + n * channel, reinterpret_cast<const Vec *>(p.spatial) + weight * taps,
                 reinterpret_cast<const Vec *>(p.temporal) + weight * s.kt, gyl,
                 grad_x == nullptr ? nullptr : grad_x + n * channel,
                 reinterpret_cast<Vec *>(grad_spatial) + part * taps,
                 reinterpret_cast<Vec *>(grad_temporal) + part * s.kt);
      }
    }
  });
}
