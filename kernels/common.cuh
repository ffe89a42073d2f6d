// What the kernels share. Sources include nothing but this: NVRTC has no system headers, and the
// same text is compiled as C++ for the test suite (host/). Integers only, except tensor.cu.
//
// Each kernel takes one parameter, a struct by value, whose twin is in src/cuda/kernels.rs.
// blockIdx.z is the frame of a batch. A kernel has one barrier at most, and writes nothing but shared
// memory before it: the CPU runs the threads one after the other, up to the barrier and then again.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

// Frames in one launch that reads surfaces.
constexpr u32 MAX_FRAMES = 32;

// Before a loop: whether what it does is to stand there as often as it is done.
#ifdef __CUDACC_RTC__
#define UNROLLED _Pragma("unroll")
#define NOT_UNROLLED _Pragma("unroll 1")
#else
#define UNROLLED
#define NOT_UNROLLED
#endif

// Pictures of one geometry as NVDEC maps them, at coded size. The crop is in luma samples; its
// corner is even where chroma is subsampled.
struct Surfaces {
    // Y, then interleaved Cb Cr, or Cb and Cr.
    const u8 *planes[MAX_FRAMES][3];
    u32 pitch_bytes;
    u32 left, top, width, height;
    // Bits of a 16-bit word below the sample: 16 - depth. 0 where samples are bytes.
    u32 low_bits;
};

// How samples lie in memory.
struct Nv12 {
    typedef u8 Sample;
    static constexpr bool halved = true;
};
struct P016 {
    typedef u16 Sample;
    static constexpr bool halved = true;
};
struct Yuv444 {
    typedef u8 Sample;
    static constexpr bool halved = false;
};
struct Yuv444P16 {
    typedef u16 Sample;
    static constexpr bool halved = false;
};

// Four columns and two rows of a picture, each sample with its nearest chroma. Past the picture's
// edge the last sample is repeated.
struct Block {
    int y[2][4], u[2][4], v[2][4];
};

__device__ __forceinline__ u32 smaller(u32 a, u32 b) { return a < b ? a : b; }

__device__ __forceinline__ u8 clamped(int value) { return value < 0 ? 0 : value > 255 ? 255 : value; }

__device__ __forceinline__ bool is_aligned(const u8 *at, u32 bytes) {
    return (reinterpret_cast<u64>(at) & (bytes - 1)) == 0;
}

// Column, or row, of this thread's first sample, where each thread makes `each`.
__device__ __forceinline__ u32 column_of_thread(u32 each) {
    return (blockIdx.x * blockDim.x + threadIdx.x) * each;
}
__device__ __forceinline__ u32 row_of_thread(u32 each) {
    return (blockIdx.y * blockDim.y + threadIdx.y) * each;
}

template <class Sample> struct Memory;
template <> struct Memory<u8> {
    static __device__ __forceinline__ u32 at(const u8 *from, u32 index) { return from[index]; }
};
template <> struct Memory<u16> {
    // By bytes: a pitch may be odd.
    static __device__ __forceinline__ u32 at(const u8 *from, u32 index) {
        return from[2 * index] | from[2 * index + 1] << 8;
    }
};

// Bytes 0 to 3 of a word, each clamped to 0 to 255.
__device__ __forceinline__ u32 packed(int first, int second, int third, int fourth) {
#ifdef __CUDACC_RTC__
    u32 word;
    asm("cvt.pack.sat.u8.s32.b32 %0, %1, %2, %3;" : "=r"(word) : "r"(fourth), "r"(third), "r"(0));
    asm("cvt.pack.sat.u8.s32.b32 %0, %1, %2, %3;" : "=r"(word) : "r"(second), "r"(first), "r"(word));
    return word;
#else
    return clamped(first) | clamped(second) << 8 | clamped(third) << 16 | u32{clamped(fourth)} << 24;
#endif
}

// Sixteen samples side by side, in whole words.
template <class Sample> struct Run {
    uint4 quads[sizeof(Sample)];

    __device__ __forceinline__ void load(const u8 *from) {
        UNROLLED
        for (u32 i = 0; i < sizeof(Sample); i++) {
            quads[i] = reinterpret_cast<const uint4 *>(from)[i];
        }
    }
    __device__ __forceinline__ int at(u32 index, u32 low_bits) const {
        const u32 byte = index * sizeof(Sample);
        const uint4 &quad = quads[byte / 16];
        const u32 pick = byte / 4 % 4;
        const u32 word = pick == 0 ? quad.x : pick == 1 ? quad.y : pick == 2 ? quad.z : quad.w;
        // One instruction each; zeros above the sample.
        if (sizeof(Sample) == 1) {
            return __byte_perm(word, 0, 0x4440 | byte % 4);
        }
        return byte % 4 == 0 ? (word & 0xffff) >> low_bits : word >> 16 >> low_bits;
    }
};

// Reads `count` samples, 1 to 4, the last one repeated.
template <class Sample>
__device__ __forceinline__ void load(const u8 *from, u32 count, u32 low_bits, int (&out)[4]) {
    UNROLLED
    for (u32 i = 0; i < 4; i++) {
        out[i] = Memory<Sample>::at(from, smaller(i, count - 1)) >> low_bits;
    }
}

// Writes the first `count` bytes of a word.
__device__ __forceinline__ void store(u8 *to, u32 word, u32 count) {
    UNROLLED
    for (u32 i = 0; i < 4; i++) {
        if (i < count) {
            to[i] = word >> 8 * i;
        }
    }
}

// As `store`, at once where it can be.
__device__ __forceinline__ void store_word(u8 *to, u32 word, u32 count) {
    if (count == 4 && is_aligned(to, 4)) {
        *reinterpret_cast<u32 *>(to) = word;
    } else {
        store(to, word, count);
    }
}

// Aligned stores of 8 and of 16 bytes. By name: written as assignments, what two branches have in
// common is taken out of both, and single words are left.
__device__ __forceinline__ void store_aligned(u8 *to, u32 first, u32 second) {
#ifdef __CUDACC_RTC__
    asm volatile("{ .reg .u64 at; cvta.to.global.u64 at, %0; st.global.v2.u32 [at], {%1, %2}; }"
                 : : "l"(to), "r"(first), "r"(second) : "memory");
#else
    *reinterpret_cast<uint2 *>(to) = {first, second};
#endif
}
__device__ __forceinline__ void store_aligned(u8 *to, const uint4 &quad) {
#ifdef __CUDACC_RTC__
    asm volatile("{ .reg .u64 at; cvta.to.global.u64 at, %0; st.global.v4.u32 [at], {%1, %2, %3, %4}; }"
                 : : "l"(to), "r"(quad.x), "r"(quad.y), "r"(quad.z), "r"(quad.w) : "memory");
#else
    *reinterpret_cast<uint4 *>(to) = quad;
#endif
}

// Writes 16 bytes, aligned to 8; at once where `is_whole`, which they are aligned for.
__device__ __forceinline__ void store_quad(u8 *to, const uint4 &quad, bool is_whole) {
    if (is_whole) {
        store_aligned(to, quad);
    } else {
        store_aligned(to, quad.x, quad.y);
        store_aligned(to + 8, quad.z, quad.w);
    }
}

// The block at (x, y) of the crop; x is a multiple of 4 and y of 2, both inside.
template <class Layout>
__device__ __forceinline__ Block load_block(const Surfaces &surfaces, u32 x, u32 y) {
    typedef typename Layout::Sample Sample;
    const u8 *const *planes = surfaces.planes[blockIdx.z];
    const u64 pitch = surfaces.pitch_bytes;
    const u32 columns = smaller(4, surfaces.width - x);
    const u32 left = surfaces.left + x;
    Block block;
    UNROLLED
    for (u32 row = 0; row < 2; row++) {
        const u32 top = surfaces.top + smaller(y + row, surfaces.height - 1);
        const u64 at = top * pitch + left * sizeof(Sample);
        load<Sample>(planes[0] + at, columns, surfaces.low_bits, block.y[row]);
        if (!Layout::halved) {
            load<Sample>(planes[1] + at, columns, surfaces.low_bits, block.u[row]);
            load<Sample>(planes[2] + at, columns, surfaces.low_bits, block.v[row]);
        }
    }
    if (Layout::halved) {
        const u32 pairs = (columns + 1) / 2;
        const u64 at = (surfaces.top + y) / 2 * pitch + left / 2 * (2 * sizeof(Sample));
        int chroma[4];
        load<Sample>(planes[1] + at, 2 * pairs, surfaces.low_bits, chroma);
        UNROLLED
        for (u32 row = 0; row < 2; row++) {
            UNROLLED
            for (u32 column = 0; column < 4; column++) {
                block.u[row][column] = chroma[column / 2 * 2];
                block.v[row][column] = chroma[column / 2 * 2 + 1];
            }
        }
    }
    return block;
}

// A thread makes sixteen columns of two rows: in whole words inside the picture, and four columns at
// a time elsewhere. The threads of a block, so that common sizes have no blocks at their edges that
// are only begun: 128 columns, 24 rows.
constexpr u32 COLUMNS = 16;
constexpr u32 BLOCK_COLUMNS = 8, BLOCK_ROWS = 12;

// Whether pictures lie so that whole words are read, and written to `out`.
template <class Layout>
__device__ __forceinline__ bool are_words(const Surfaces &surfaces, const u8 *out) {
    const u8 *const *planes = surfaces.planes[blockIdx.z];
    u64 bits = reinterpret_cast<u64>(planes[0]) | reinterpret_cast<u64>(planes[1]);
    if (!Layout::halved) {
        bits |= reinterpret_cast<u64>(planes[2]);
    }
    bits |= surfaces.pitch_bytes | surfaces.left * sizeof(typename Layout::Sample);
    return bits % 16 == 0 && (reinterpret_cast<u64>(out) | surfaces.width) % 8 == 0;
}

// Whether rows of `width` pixels from there on begin at whole quads, too.
__device__ __forceinline__ bool are_quads(const Surfaces &surfaces, const u8 *out) {
    return (reinterpret_cast<u64>(out) | surfaces.width) % 16 == 0;
}

// Whether all samples of the thread at (x, y) are inside.
__device__ __forceinline__ bool is_inside(const Surfaces &surfaces, u32 x, u32 y) {
    return x + COLUMNS <= surfaces.width && y + 2 <= surfaces.height;
}

// Sixteen columns and two rows of an interior.
template <class Layout> struct Wide {
    typedef typename Layout::Sample Sample;
    Run<Sample> y[2];
    // Where chroma is halved, `u[0]` has Cb and Cr of all columns, interleaved.
    Run<Sample> u[2], v[2];

    __device__ __forceinline__ Wide(const Surfaces &surfaces, u32 column, u32 row) {
        const u8 *const *planes = surfaces.planes[blockIdx.z];
        const u64 pitch = surfaces.pitch_bytes;
        const u64 left = (surfaces.left + column) * sizeof(Sample);
        const u64 top = surfaces.top + row;
        UNROLLED
        for (u32 i = 0; i < 2; i++) {
            y[i].load(planes[0] + (top + i) * pitch + left);
            if (!Layout::halved) {
                u[i].load(planes[1] + (top + i) * pitch + left);
                v[i].load(planes[2] + (top + i) * pitch + left);
            }
        }
        if (Layout::halved) {
            u[0].load(planes[1] + top / 2 * pitch + left);
        }
    }

    // From column 4 * `part` on.
    __device__ __forceinline__ Block block(u32 part, u32 low_bits) const {
        Block block;
        UNROLLED
        for (u32 row = 0; row < 2; row++) {
            UNROLLED
            for (u32 i = 0; i < 4; i++) {
                const u32 column = 4 * part + i;
                block.y[row][i] = y[row].at(column, low_bits);
                const u32 pair = column / 2 * 2;
                block.u[row][i] = Layout::halved ? u[0].at(pair, low_bits) : u[row].at(column, low_bits);
                block.v[row][i] = Layout::halved ? u[0].at(pair + 1, low_bits) : v[row].at(column, low_bits);
            }
        }
        return block;
    }
};
