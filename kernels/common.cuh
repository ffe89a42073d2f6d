// What the kernels share. Sources include nothing but this: NVRTC has no system headers, and the
// same text is compiled as C++ for the test suite (host/). Integers only, except tensor.cu.
//
// Each kernel takes one parameter, a struct by value, whose twin is in src/pixel/cuda/parameters.rs.
// blockIdx.z is the frame of a batch. No thread waits for another.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

// Frames in one launch that reads surfaces.
constexpr u32 MAX_FRAMES = 32;

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
    typedef u32 Four;
    static __device__ __forceinline__ u32 at(const u8 *from, u32 index) { return from[index]; }
};
template <> struct Memory<u16> {
    typedef u64 Four;
    // By bytes: a pitch may be odd.
    static __device__ __forceinline__ u32 at(const u8 *from, u32 index) {
        return from[2 * index] | from[2 * index + 1] << 8;
    }
};

// Reads `count` samples, 1 to 4, the last one repeated; all at once where they are aligned.
template <class Sample>
__device__ __forceinline__ void load(const u8 *from, u32 count, u32 low_bits, int (&out)[4]) {
    typedef typename Memory<Sample>::Four Four;
    if (count == 4 && is_aligned(from, sizeof(Four))) {
        const Four four = *reinterpret_cast<const Four *>(from);
        for (u32 i = 0; i < 4; i++) {
            out[i] = static_cast<Sample>(four >> 8 * sizeof(Sample) * i) >> low_bits;
        }
    } else {
        for (u32 i = 0; i < 4; i++) {
            out[i] = Memory<Sample>::at(from, smaller(i, count - 1)) >> low_bits;
        }
    }
}

// Writes the first `count` bytes; four (of two, both) at once where they are aligned.
template <u32 N> __device__ __forceinline__ void store(u8 *to, const u8 (&bytes)[N], u32 count) {
    constexpr u32 word = N % 4 == 0 ? 4 : 2;
    if (count == N && is_aligned(to, word)) {
        for (u32 i = 0; i < N; i += word) {
            const u32 low = bytes[i] | bytes[i + 1] << 8;
            if (word == 2) {
                *reinterpret_cast<u16 *>(to + i) = low;
            } else {
                const u32 high = bytes[i + word - 2] | bytes[i + word - 1] << 8;
                *reinterpret_cast<u32 *>(to + i) = low | high << 16;
            }
        }
    } else {
        for (u32 i = 0; i < N; i++) {
            if (i < count) {
                to[i] = bytes[i];
            }
        }
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
        for (u32 row = 0; row < 2; row++) {
            for (u32 column = 0; column < 4; column++) {
                block.u[row][column] = chroma[column / 2 * 2];
                block.v[row][column] = chroma[column / 2 * 2 + 1];
            }
        }
    }
    return block;
}
