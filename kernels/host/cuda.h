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
struct alignas(8) uint2 {
    unsigned x, y;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};

// A block's threads run one after the other: all of them up to the barrier, where there is one, and
// then all of them again and past it.
#define __shared__ static thread_local
static thread_local bool met_barrier, is_past_barrier;
#define __syncthreads()                                                                             \
    do {                                                                                            \
        met_barrier = true;                                                                         \
        if (!is_past_barrier) {                                                                     \
            return;                                                                                 \
        }                                                                                           \
    } while (false)

static thread_local uint3 blockIdx, threadIdx, blockDim, gridDim;

// Bytes of `high` and `low` by the selector's four digits.
static inline unsigned __byte_perm(unsigned low, unsigned high, unsigned selector) {
    const unsigned long long both = static_cast<unsigned long long>(high) << 32 | low;
    unsigned word = 0;
    for (unsigned i = 0; i < 4; i++) {
        word |= static_cast<unsigned>(both >> (selector >> 4 * i & 7) * 8 & 0xff) << 8 * i;
    }
    return word;
}

static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fadd_rn(float a, float b) { return a + b; }

static inline unsigned __float_as_uint(float value) {
    unsigned bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}
