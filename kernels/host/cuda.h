// As much of CUDA C++ as the kernels use, for a plain C++ compiler. Compile with the flags in
// `host/flags`: they keep arithmetic what it is on the device.
#pragma once

#include <cstring>

#define __global__
#define __device__
// A parameter that no thread may write: here it need not be copied for each.
#define __grid_constant__ &
#define __forceinline__ inline __attribute__((always_inline))

struct uint3 {
    unsigned x, y, z;
};

static thread_local uint3 blockIdx, threadIdx, blockDim, gridDim;

static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fadd_rn(float a, float b) { return a + b; }

static inline unsigned __float_as_uint(float value) {
    unsigned bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}
