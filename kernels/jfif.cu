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

// Four columns of luma of a row.
__device__ __forceinline__ u32 jfif_luma(const Jfif &p, const Block &block, u32 row) {
    const int base = (1 << (p.shift - 1)) - p.yy * p.luma_offset - (p.yu + p.yv) * p.chroma_offset;
    int out[4];
    UNROLLED
    for (u32 i = 0; i < 4; i++) {
        const int chroma = p.yu * block.u[row][i] + p.yv * block.v[row][i] + base;
        out[i] = (p.yy * block.y[row][i] + chroma) >> p.shift;
    }
    return packed(out[0], out[1], out[2], out[3]);
}

// Cb' or Cr' of two columns from the factors of Cb and Cr: of four samples, the mean of what they
// become; where chroma is halved those are one.
template <class Layout>
__device__ __forceinline__ int jfif_chroma(const Jfif &p, const Block &block, u32 column, int of_u, int of_v) {
    const int base = (128 << p.shift) + (1 << (p.shift - 1)) - (of_u + of_v) * p.chroma_offset;
    int sum = 2;
    UNROLLED
    for (u32 row = 0; row < 2; row++) {
        UNROLLED
        for (u32 x = column; x < column + 2; x++) {
            const int value = (of_u * block.u[row][x] + of_v * block.v[row][x] + base) >> p.shift;
            if (Layout::halved) {
                return value;
            }
            sum += clamped(value);
        }
    }
    return sum >> 2;
}

// Where a thread writes.
struct JfifOut {
    u8 *luma, *cb, *cr;

    __device__ __forceinline__ JfifOut(const Jfif &p, u32 x, u32 y) {
        const u32 width = p.surfaces.width, height = p.surfaces.height;
        const u32 half_width = (width + 1) / 2, half_height = (height + 1) / 2;
        // Rows of all frames are fewer than 2^32, and pixels of one.
        const u64 plane = half_width * half_height;
        luma = p.luma + static_cast<u64>(blockIdx.z * height + y) * width + x;
        cb = p.chroma + 2 * blockIdx.z * plane + (y / 2 * half_width + x / 2);
        cr = cb + plane;
    }
};

template <class Layout> __device__ __forceinline__ void interior(const Jfif &p, u32 x, u32 y) {
    const Wide<Layout> wide(p.surfaces, x, y);
    u32 luma[2][4], cb[2], cr[2];
    UNROLLED
    for (u32 half = 0; half < 2; half++) {
        const Block blocks[2] = {wide.block(2 * half, p.surfaces.low_bits),
                                 wide.block(2 * half + 1, p.surfaces.low_bits)};
        int u[4], v[4];
        UNROLLED
        for (u32 i = 0; i < 4; i++) {
            u[i] = jfif_chroma<Layout>(p, blocks[i / 2], i % 2 * 2, p.uu, p.uv);
            v[i] = jfif_chroma<Layout>(p, blocks[i / 2], i % 2 * 2, p.vu, p.vv);
            luma[i % 2][2 * half + i / 2] = jfif_luma(p, blocks[i / 2], i % 2);
        }
        cb[half] = packed(u[0], u[1], u[2], u[3]);
        cr[half] = packed(v[0], v[1], v[2], v[3]);
    }
    const JfifOut out(p, x, y);
    const bool quads = are_quads(p.surfaces, p.luma);
    UNROLLED
    for (u32 row = 0; row < 2; row++) {
        const u32 *words = luma[row];
        store_quad(out.luma + row * p.surfaces.width, {words[0], words[1], words[2], words[3]}, quads);
    }
    // Eight bytes, of rows that are aligned to four where the width is no multiple of 16.
    if (quads) {
        store_aligned(out.cb, cb[0], cb[1]);
        store_aligned(out.cr, cr[0], cr[1]);
    } else {
        UNROLLED
        for (u32 i = 0; i < 2; i++) {
            reinterpret_cast<u32 *>(out.cb)[i] = cb[i];
            reinterpret_cast<u32 *>(out.cr)[i] = cr[i];
        }
    }
}

template <class Layout> __device__ __forceinline__ void edge(const Jfif &p, u32 x, u32 y) {
    const u32 columns = smaller(4, p.surfaces.width - x);
    const Block block = load_block<Layout>(p.surfaces, x, y);
    const JfifOut out(p, x, y);
    store(out.luma, jfif_luma(p, block, 0), columns);
    if (y + 1 < p.surfaces.height) {
        store(out.luma + p.surfaces.width, jfif_luma(p, block, 1), columns);
    }
    int chroma[4];
    UNROLLED
    for (u32 i = 0; i < 2; i++) {
        chroma[i] = jfif_chroma<Layout>(p, block, 2 * i, p.uu, p.uv);
        chroma[2 + i] = jfif_chroma<Layout>(p, block, 2 * i, p.vu, p.vv);
    }
    const u32 word = packed(chroma[0], chroma[1], chroma[2], chroma[3]);
    store(out.cb, word, (columns + 1) / 2);
    store(out.cr, word >> 16, (columns + 1) / 2);
}

template <class Layout> __device__ __forceinline__ void to_jfif(const Jfif &p) {
    const u32 x = column_of_thread(COLUMNS), y = row_of_thread(2);
    if (x >= p.surfaces.width || y >= p.surfaces.height) {
        return;
    }
    if (are_words<Layout>(p.surfaces, p.luma) && is_aligned(p.chroma, 8) && is_inside(p.surfaces, x, y)) {
        return interior<Layout>(p, x, y);
    }
    NOT_UNROLLED
    for (u32 column = x; column < smaller(x + COLUMNS, p.surfaces.width); column += 4) {
        edge<Layout>(p, column, y);
    }
}

extern "C" {
__global__ void jfif_nv12(const Jfif __grid_constant__ p) { to_jfif<Nv12>(p); }
__global__ void jfif_p016(const Jfif __grid_constant__ p) { to_jfif<P016>(p); }
__global__ void jfif_yuv444(const Jfif __grid_constant__ p) { to_jfif<Yuv444>(p); }
__global__ void jfif_yuv444_16(const Jfif __grid_constant__ p) { to_jfif<Yuv444P16>(p); }
}
