// Resized pixels to a tensor's values: order of channels, layout, padding, and
// y = f32(f32(x * a) + b) with two roundings, as src/tensor does. The only kernels with floats:
// compiled without contraction, and written so that there is none.
#include "common.cuh"

struct Tensor {
    // Frame after frame, inner_height x inner_width pixels of `channels` bytes, R first.
    const u8 *source;
    // Frame after frame, height x width x channels, or channels x height x width.
    u8 *out;
    // Where the pixels lie in the output; around them is padding.
    u32 left, top, inner_width, inner_height;
    u32 width, height;
    // 3, or 1.
    u32 channels;
    // Whether each channel is a plane of its own, and whether B comes first.
    u32 is_planar, is_reversed;
    // Of padding, before normalisation.
    u32 pad;
    // One for each channel of the tensor.
    float a[3], b[3];
};

// `value / 2^shift` to the nearest whole number, ties to even.
__device__ __forceinline__ u32 rounded(u32 value, u32 shift) {
    const u32 is_odd = value >> shift & 1;
    return (value + (1u << (shift - 1)) - 1 + is_odd) >> shift;
}

// IEEE 754 binary32 to binary16, to nearest even. Values are never NaN: x, a and b are finite.
__device__ __forceinline__ u16 to_half(u32 bits) {
    const u32 sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    const u32 exponent = magnitude >> 23;
    // From 65520 on the nearest is infinity.
    if (magnitude >= 0x477ff000) {
        return sign | 0x7c00;
    }
    // Under 2^-25 it is 0; under 2^-14 a multiple of 2^-24.
    if (exponent < 102) {
        return sign;
    }
    if (exponent < 113) {
        return sign | rounded((magnitude & 0x7fffff) | 0x800000, 126 - exponent);
    }
    return sign | rounded(magnitude - (112u << 23), 13);
}

template <class Value> struct Datatype;
template <> struct Datatype<u8> {
    static __device__ __forceinline__ u8 of(u32 x, float, float) { return x; }
};
template <> struct Datatype<float> {
    static __device__ __forceinline__ float of(u32 x, float a, float b) {
        return __fadd_rn(__fmul_rn(static_cast<float>(x), a), b);
    }
};
template <> struct Datatype<u16> {
    static __device__ __forceinline__ u16 of(u32 x, float a, float b) {
        return to_half(__float_as_uint(Datatype<float>::of(x, a, b)));
    }
};

// A thread makes one pixel.
template <class Value> __device__ __forceinline__ void to_tensor(const Tensor &p) {
    const u32 x = column_of_thread(1), y = row_of_thread(1);
    if (x >= p.width || y >= p.height) {
        return;
    }
    // Left of the pixels, or above, this wraps round and is past them too.
    const u32 column = x - p.left, row = y - p.top;
    const bool is_padding = column >= p.inner_width || row >= p.inner_height;
    const u64 inner_row = static_cast<u64>(blockIdx.z) * p.inner_height + row;
    const u8 *pixel = p.source + (inner_row * p.inner_width + column) * p.channels;
    const u64 samples = static_cast<u64>(p.width) * p.height;
    const u64 at = static_cast<u64>(y) * p.width + x;
    Value *out = reinterpret_cast<Value *>(p.out) + blockIdx.z * samples * p.channels;
    for (u32 c = 0; c < p.channels; c++) {
        const u32 value = is_padding ? p.pad : pixel[p.is_reversed ? p.channels - 1 - c : c];
        out[p.is_planar ? c * samples + at : at * p.channels + c] = Datatype<Value>::of(value, p.a[c], p.b[c]);
    }
}

extern "C" {
__global__ void tensor_uint8(const Tensor __grid_constant__ p) { to_tensor<u8>(p); }
__global__ void tensor_fp16(const Tensor __grid_constant__ p) { to_tensor<u16>(p); }
__global__ void tensor_fp32(const Tensor __grid_constant__ p) { to_tensor<float>(p); }
}
