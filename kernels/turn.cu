// Mirroring and quarter turns, as src/pixel/orient.rs.
#include "common.cuh"

struct Turn {
    // Frame after frame, height x width pixels; rows are not padded, in or out.
    const u8 *source;
    u8 *out;
    // Of the source.
    u32 width, height;
    // Whether the rows of `out` are columns of the source, and which source coordinates count
    // from their far end.
    u32 swaps, flips_columns, flips_rows;
};

// A thread moves one pixel of CHANNELS bytes. Blocks that are higher than wide keep both the rows
// that are read and the rows that are written in few cache lines.
template <u32 CHANNELS> __device__ __forceinline__ void turn(const Turn &p) {
    const u32 x = column_of_thread(1), y = row_of_thread(1);
    const u64 out_width = p.swaps ? p.height : p.width, out_height = p.swaps ? p.width : p.height;
    if (x >= out_width || y >= out_height) {
        return;
    }
    const u32 column = p.swaps ? y : x, row = p.swaps ? x : y;
    const u32 from_x = p.flips_columns ? p.width - 1 - column : column;
    const u32 from_y = p.flips_rows ? p.height - 1 - row : row;
    const u64 frame = blockIdx.z * out_width * out_height;
    const u8 *from = p.source + CHANNELS * (frame + static_cast<u64>(from_y) * p.width + from_x);
    u8 *to = p.out + CHANNELS * (frame + y * out_width + x);
    for (u32 c = 0; c < CHANNELS; c++) {
        to[c] = from[c];
    }
}

extern "C" {
__global__ void turn_1(const Turn __grid_constant__ p) { turn<1>(p); }
__global__ void turn_3(const Turn __grid_constant__ p) { turn<3>(p); }
}
