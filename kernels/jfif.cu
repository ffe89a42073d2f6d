// Decoded planes to the 8-bit full-range BT.601 planes of a JFIF file, at 4:2:0. The formulas are
// ToJfif's (src/pixel/coefficients.rs) and src/pixel/average.rs's.
#include "common.cuh"

struct Jfif {
    Surfaces surfaces;
    int yy, yu, yv, uu, uv, vu, vv;
    int luma_offset, chroma_offset;
    u32 shift;
    // Frame after frame, height x width.
    u8 *luma;
    // Frame after frame Cb, then Cr, each ceil(height / 2) x ceil(width / 2).
    u8 *chroma;
};

// Cb' or Cr' from the factors of Cb and Cr: of four samples, the mean of what they become.
__device__ __forceinline__ u8 jfif_chroma(const Jfif &p, const Block &block, u32 column, int of_u, int of_v) {
    const int centre = (128 << p.shift) + (1 << (p.shift - 1));
    int sum = 2;
    for (u32 row = 0; row < 2; row++) {
        for (u32 x = column; x < column + 2; x++) {
            const int u = block.u[row][x] - p.chroma_offset;
            const int v = block.v[row][x] - p.chroma_offset;
            sum += clamped((of_u * u + of_v * v + centre) >> p.shift);
        }
    }
    return sum >> 2;
}

__device__ __forceinline__ u8 jfif_luma(const Jfif &p, int y, int u, int v) {
    const int half = 1 << (p.shift - 1);
    const int chroma = p.yu * (u - p.chroma_offset) + p.yv * (v - p.chroma_offset);
    return clamped((p.yy * (y - p.luma_offset) + chroma + half) >> p.shift);
}

template <class Layout> __device__ __forceinline__ void to_jfif(const Jfif &p) {
    const u32 x = column_of_thread(4), y = row_of_thread(2);
    const u64 width = p.surfaces.width, height = p.surfaces.height;
    if (x >= width || y >= height) {
        return;
    }
    const u32 columns = smaller(4, width - x);
    const Block block = load_block<Layout>(p.surfaces, x, y);
    u8 *luma = p.luma + blockIdx.z * width * height + y * width + x;
    for (u32 row = 0; row < 2 && y + row < height; row++) {
        u8 out[4];
        for (u32 i = 0; i < 4; i++) {
            out[i] = jfif_luma(p, block.y[row][i], block.u[row][i], block.v[row][i]);
        }
        store(luma + row * width, out, columns);
    }
    const u64 half_width = (width + 1) / 2, plane = half_width * ((height + 1) / 2);
    u8 *cb = p.chroma + 2 * blockIdx.z * plane + y / 2 * half_width + x / 2;
    const u8 cb_out[2] = {jfif_chroma(p, block, 0, p.uu, p.uv), jfif_chroma(p, block, 2, p.uu, p.uv)};
    const u8 cr_out[2] = {jfif_chroma(p, block, 0, p.vu, p.vv), jfif_chroma(p, block, 2, p.vu, p.vv)};
    store(cb, cb_out, (columns + 1) / 2);
    store(cb + plane, cr_out, (columns + 1) / 2);
}

extern "C" {
__global__ void jfif_nv12(const Jfif __grid_constant__ p) { to_jfif<Nv12>(p); }
__global__ void jfif_p016(const Jfif __grid_constant__ p) { to_jfif<P016>(p); }
__global__ void jfif_yuv444(const Jfif __grid_constant__ p) { to_jfif<Yuv444>(p); }
__global__ void jfif_yuv444_16(const Jfif __grid_constant__ p) { to_jfif<Yuv444P16>(p); }
}
