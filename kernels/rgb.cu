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

__device__ __forceinline__ void rgb_of(const Rgb &p, int y, int u, int v, u8 *out) {
    const int base = p.cy * (y - p.luma_offset) + (1 << (p.shift - 1));
    u -= p.chroma_offset;
    v -= p.chroma_offset;
    out[0] = clamped((base + p.crv * v) >> p.shift);
    out[1] = clamped((base - p.cgu * u - p.cgv * v) >> p.shift);
    out[2] = clamped((base + p.cbu * u) >> p.shift);
}

__device__ __forceinline__ u8 luma_of(const u8 *rgb) {
    return (19595 * rgb[0] + 38470 * rgb[1] + 7471 * rgb[2] + 0x8000) >> 16;
}

// CHANNELS bytes a pixel: 3, or 1 for L.
template <class Layout, u32 CHANNELS> __device__ __forceinline__ void to_pixels(const Rgb &p) {
    const u32 x = column_of_thread(4), y = row_of_thread(2);
    const u64 width = p.surfaces.width, height = p.surfaces.height;
    if (x >= width || y >= height) {
        return;
    }
    const Block block = load_block<Layout>(p.surfaces, x, y);
    u8 *to = p.out + CHANNELS * (blockIdx.z * width * height + y * width + x);
    for (u32 row = 0; row < 2 && y + row < height; row++) {
        u8 out[4 * CHANNELS];
        for (u32 i = 0; i < 4; i++) {
            u8 rgb[3];
            rgb_of(p, block.y[row][i], block.u[row][i], block.v[row][i], rgb);
            for (u32 c = 0; c < CHANNELS; c++) {
                out[CHANNELS * i + c] = CHANNELS == 1 ? luma_of(rgb) : rgb[c];
            }
        }
        store(to + CHANNELS * row * width, out, CHANNELS * smaller(4, width - x));
    }
}

extern "C" {
__global__ void rgb_nv12(const Rgb __grid_constant__ p) { to_pixels<Nv12, 3>(p); }
__global__ void rgb_p016(const Rgb __grid_constant__ p) { to_pixels<P016, 3>(p); }
__global__ void rgb_yuv444(const Rgb __grid_constant__ p) { to_pixels<Yuv444, 3>(p); }
__global__ void rgb_yuv444_16(const Rgb __grid_constant__ p) { to_pixels<Yuv444P16, 3>(p); }
__global__ void luma_nv12(const Rgb __grid_constant__ p) { to_pixels<Nv12, 1>(p); }
__global__ void luma_p016(const Rgb __grid_constant__ p) { to_pixels<P016, 1>(p); }
__global__ void luma_yuv444(const Rgb __grid_constant__ p) { to_pixels<Yuv444, 1>(p); }
__global__ void luma_yuv444_16(const Rgb __grid_constant__ p) { to_pixels<Yuv444P16, 1>(p); }
}
