// Decoded planes to packed RGB, and to Pillow's L of that RGB. The formulas are ToRgb's
// (src/pixel/coefficients.rs) and src/pixel/luma.rs's. Gray is all factors of chroma 0.
#include "common.cuh"

struct Rgb {
    Surfaces surfaces;
    int cy, crv, cgu, cgv, cbu;
    int luma_offset, chroma_offset;
    u32 shift;
    // Frame after frame, height x width x 3 for RGB, height x width for L.
    u8 *out;
};

// 19595 R + 38470 G + 7471 B + 2^15 of the bytes R, G, B, 0.
__device__ __forceinline__ u32 luma_of(u32 bytes) {
#ifdef __CUDACC_RTC__
    // Two products each, of words by bytes.
    u32 sum;
    asm("dp2a.lo.u32.u32 %0, %1, %2, %3;" : "=r"(sum) : "r"(38470u << 16 | 19595u), "r"(bytes), "r"(0x8000u));
    asm("dp2a.hi.u32.u32 %0, %1, %2, %3;" : "=r"(sum) : "r"(7471u), "r"(bytes), "r"(sum));
    return sum;
#else
    return 19595 * (bytes & 255) + 38470 * (bytes >> 8 & 255) + 7471 * (bytes >> 16) + 0x8000;
#endif
}

// Not clamped.
struct Pixel {
    int red, green, blue;

    __device__ __forceinline__ Pixel(const Rgb &p, int y, int u, int v) {
        const int base = (1 << (p.shift - 1)) - p.cy * p.luma_offset;
        const int of_red = p.crv * v + (base - p.crv * p.chroma_offset);
        const int of_green = (base + (p.cgu + p.cgv) * p.chroma_offset) - p.cgu * u - p.cgv * v;
        const int of_blue = p.cbu * u + (base - p.cbu * p.chroma_offset);
        red = (p.cy * y + of_red) >> p.shift;
        green = (p.cy * y + of_green) >> p.shift;
        blue = (p.cy * y + of_blue) >> p.shift;
    }

    __device__ __forceinline__ int luma() const {
        return luma_of(packed(red, green, blue, 0)) >> 16;
    }
};

// Four pixels of a row as the bytes of CHANNELS words: RGB, or L.
template <u32 CHANNELS>
__device__ __forceinline__ void to_words(const Rgb &p, const Block &block, u32 row, u32 *words) {
    int bytes[4 * CHANNELS];
    UNROLLED
    for (u32 i = 0; i < 4; i++) {
        const Pixel pixel(p, block.y[row][i], block.u[row][i], block.v[row][i]);
        if (CHANNELS == 1) {
            bytes[i] = pixel.luma();
        } else {
            bytes[CHANNELS * i] = pixel.red;
            bytes[CHANNELS * i + 1] = pixel.green;
            bytes[CHANNELS * i + 2] = pixel.blue;
        }
    }
    UNROLLED
    for (u32 i = 0; i < CHANNELS; i++) {
        words[i] = packed(bytes[4 * i], bytes[4 * i + 1], bytes[4 * i + 2], bytes[4 * i + 3]);
    }
}

template <u32 CHANNELS> __device__ __forceinline__ u8 *place(const Rgb &p, u32 x, u32 y) {
    // Rows of all frames are fewer than 2^32.
    const u64 row = blockIdx.z * p.surfaces.height + y;
    return p.out + CHANNELS * (row * p.surfaces.width + x);
}

// Four columns at a time.
template <class Layout, u32 CHANNELS> __device__ __forceinline__ void edge(const Rgb &p, u32 from, u32 y) {
    NOT_UNROLLED
    for (u32 x = from; x < smaller(from + COLUMNS, p.surfaces.width); x += 4) {
        const u32 bytes = CHANNELS * smaller(4, p.surfaces.width - x);
        const Block block = load_block<Layout>(p.surfaces, x, y);
        UNROLLED
        for (u32 row = 0; row < 2; row++) {
            u32 words[CHANNELS];
            to_words<CHANNELS>(p, block, row, words);
            u8 *to = place<CHANNELS>(p, x, y + row);
            UNROLLED
            for (u32 i = 0; i < CHANNELS && y + row < p.surfaces.height; i++) {
                store(to + 4 * i, words[i], bytes - smaller(bytes, 4 * i));
            }
        }
    }
}

template <class Layout> __device__ __forceinline__ void to_luma(const Rgb &p) {
    const u32 x = column_of_thread(COLUMNS), y = row_of_thread(2);
    if (x >= p.surfaces.width || y >= p.surfaces.height) {
        return;
    }
    if (!are_words<Layout>(p.surfaces, p.out) || !is_inside(p.surfaces, x, y)) {
        return edge<Layout, 1>(p, x, y);
    }
    const Wide<Layout> wide(p.surfaces, x, y);
    u32 words[2][4];
    UNROLLED
    for (u32 part = 0; part < 4; part++) {
        const Block block = wide.block(part, p.surfaces.low_bits);
        to_words<1>(p, block, 0, &words[0][part]);
        to_words<1>(p, block, 1, &words[1][part]);
    }
    const bool quads = are_quads(p.surfaces, p.out);
    UNROLLED
    for (u32 row = 0; row < 2; row++) {
        const u32 *of_row = words[row];
        store_quad(place<1>(p, x, y + row), {of_row[0], of_row[1], of_row[2], of_row[3]}, quads);
    }
}

// A thread's pixels are 48 bytes of a row. They are put together in shared memory, so that
// neighbouring threads write neighbouring words: whole lines.
constexpr u32 QUADS = 3 * COLUMNS / 16, ROW_QUADS = QUADS * BLOCK_COLUMNS;

template <class Layout> __device__ __forceinline__ void to_rgb(const Rgb &p) {
    __shared__ uint4 quads[2 * BLOCK_ROWS][ROW_QUADS];
    const u32 x = column_of_thread(COLUMNS), y = row_of_thread(2);
    const bool words = are_words<Layout>(p.surfaces, p.out);
    if (words && is_inside(p.surfaces, x, y)) {
        const Wide<Layout> wide(p.surfaces, x, y);
        u32 made[2][4 * QUADS];
        UNROLLED
        for (u32 part = 0; part < 4; part++) {
            const Block block = wide.block(part, p.surfaces.low_bits);
            to_words<3>(p, block, 0, &made[0][3 * part]);
            to_words<3>(p, block, 1, &made[1][3 * part]);
        }
        UNROLLED
        for (u32 i = 0; i < 2 * QUADS; i++) {
            const u32 *quad = &made[i / QUADS][i % QUADS * 4];
            quads[2 * threadIdx.y + i / QUADS][QUADS * threadIdx.x + i % QUADS] = {quad[0], quad[1], quad[2], quad[3]};
        }
    }
    __syncthreads();
    if (y < p.surfaces.height && !(words && is_inside(p.surfaces, x, y))) {
        edge<Layout, 3>(p, x, y);
    }
    const u32 left = blockIdx.x * BLOCK_COLUMNS * COLUMNS, top = blockIdx.y * BLOCK_ROWS * 2;
    // Of the block's rows each thread writes one quad of every fourth.
    constexpr u32 lines = BLOCK_COLUMNS * BLOCK_ROWS / ROW_QUADS;
    const u32 index = threadIdx.y * BLOCK_COLUMNS + threadIdx.x;
    const u32 quad = index % ROW_QUADS, line = index / ROW_QUADS;
    const bool whole = are_quads(p.surfaces, p.out);
    u8 *const first = place<3>(p, left, top) + 16 * quad;
    UNROLLED
    for (u32 i = 0; i < 2 * QUADS; i++) {
        const u32 row = i * lines + line;
        if (words && is_inside(p.surfaces, left + quad / QUADS * COLUMNS, top + row / 2 * 2)) {
            store_quad(first + 3 * row * p.surfaces.width, quads[row][quad], whole);
        }
    }
}

extern "C" {
__global__ void rgb_nv12(const Rgb __grid_constant__ p) { to_rgb<Nv12>(p); }
__global__ void rgb_p016(const Rgb __grid_constant__ p) { to_rgb<P016>(p); }
__global__ void rgb_yuv444(const Rgb __grid_constant__ p) { to_rgb<Yuv444>(p); }
__global__ void rgb_yuv444_16(const Rgb __grid_constant__ p) { to_rgb<Yuv444P16>(p); }
__global__ void luma_nv12(const Rgb __grid_constant__ p) { to_luma<Nv12>(p); }
__global__ void luma_p016(const Rgb __grid_constant__ p) { to_luma<P016>(p); }
__global__ void luma_yuv444(const Rgb __grid_constant__ p) { to_luma<Yuv444>(p); }
__global__ void luma_yuv444_16(const Rgb __grid_constant__ p) { to_luma<Yuv444P16>(p); }
}
