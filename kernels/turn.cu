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

// A block of SIDE x LINES threads moves SIDE x SIDE pixels of CHANNELS bytes through shared memory, so
// that rows are read and written as rows, whichever way they lie.
constexpr u32 SIDE = 32, LINES = 8;

// Word `index` of a row of the tile as it is written.
template <u32 CHANNELS>
__device__ __forceinline__ u32 word_of(const u32 (&tile)[SIDE][SIDE + 1], bool swaps, u32 row, u32 index) {
    const u32 first = 4 * index / CHANNELS;
    u32 pixels[4];
    UNROLLED
    for (u32 i = 0; i < (CHANNELS == 1 ? 4 : 2); i++) {
        pixels[i] = swaps ? tile[first + i][row] : tile[row][first + i];
    }
    if (CHANNELS == 1) {
        return pixels[0] | pixels[1] << 8 | pixels[2] << 16 | pixels[3] << 24;
    }
    const u32 skipped = 8 * (index % 3);
    return pixels[0] >> skipped | pixels[1] << (24 - skipped);
}

template <u32 CHANNELS> __device__ __forceinline__ void turn(const Turn &p) {
    // A pixel more in each row, so that those of a column are in different banks.
    __shared__ u32 tile[SIDE][SIDE + 1];
    const u32 left = blockIdx.x * SIDE, top = blockIdx.y * SIDE;
    const u32 column = (p.swaps ? top : left) + threadIdx.x;
    const u32 from_x = p.flips_columns ? p.width - 1 - column : column;
    const u32 row = (p.swaps ? left : top) + threadIdx.y;
    const u32 from_y = p.flips_rows ? p.height - 1 - row : row;
    // Rows of all frames are fewer than 2^32; what is past a picture's edge is not read.
    const u8 *from = p.source + CHANNELS * (static_cast<u64>(blockIdx.z * p.height + from_y) * p.width + from_x);
    const long long step = static_cast<long long>(p.flips_rows ? -1 : 1) * LINES * CHANNELS * p.width;
    UNROLLED
    for (u32 i = 0; i < SIDE / LINES; i++) {
        if (column < p.width && row + i * LINES < p.height) {
            tile[threadIdx.y + i * LINES][threadIdx.x] = CHANNELS == 1 ? from[0] : from[0] | from[1] << 8 | from[2] << 16;
        }
        from += step;
    }
    __syncthreads();
    const u32 row_bytes = CHANNELS * (p.swaps ? p.height : p.width), out_height = p.swaps ? p.width : p.height;
    // Of a row of the tile each thread writes every eighth word.
    const u32 index = threadIdx.y * SIDE + threadIdx.x, line = index / 8, y = top + line;
    u8 *const to = p.out + static_cast<u64>(blockIdx.z * out_height + y) * row_bytes;
    UNROLLED
    for (u32 i = 0; i < CHANNELS; i++) {
        const u32 word = index % 8 + 8 * i;
        const u32 x = left * CHANNELS + 4 * word;
        if (x < row_bytes && y < out_height) {
            store_word(to + x, word_of<CHANNELS>(tile, p.swaps, line, word), smaller(4, row_bytes - x));
        }
    }
}

extern "C" {
__global__ void turn_1(const Turn __grid_constant__ p) { turn<1>(p); }
__global__ void turn_3(const Turn __grid_constant__ p) { turn<3>(p); }
}
