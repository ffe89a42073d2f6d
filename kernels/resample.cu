// The two passes of Pillow's resampler, with the weights that src/pixel/resample made.
#include "common.cuh"

struct Resample {
    // Frame after frame; rows are not padded, in or out.
    const u8 *source;
    u8 *out;
    // `targets` starts, `targets` counts of taps, then weights. Of few taps: for each tap those of
    // all targets. Of many: for each target those of its `taps`. Neighbouring threads read neighbours.
    const int *table;
    u32 targets;
    // Across: pixels of a source row. Down: bytes of a row.
    u32 width;
    // Rows of a frame of the source.
    u32 source_rows;
    // Across: the first row that is read, and rows that are made.
    u32 first_row, rows;
    // Down: what the starts are too high by, since the source lacks rows that no target needs.
    u32 missing_rows;
    // Many taps: weights of each target.
    u32 taps;
};

// Sums are modulo 2^32, as the reference's are.
__device__ __forceinline__ u8 weighted(const Resample &p, u32 target, const u8 *samples, u64 step) {
    const u32 count = p.table[p.targets + target];
    const int *weights = p.table + 2 * p.targets + target;
    u32 sum = 1u << 21;
    for (u32 tap = 0; tap < count; tap++) {
        sum += samples[tap * step] * static_cast<u32>(weights[static_cast<u64>(tap) * p.targets]);
    }
    return clamped(static_cast<int>(sum) >> 22);
}

// A thread makes one sample of one pixel of CHANNELS bytes.
template <u32 CHANNELS> __device__ __forceinline__ void across(const Resample &p) {
    const u32 column = column_of_thread(1), row = row_of_thread(1);
    const u32 target = column / CHANNELS, channel = column % CHANNELS;
    if (target >= p.targets || row >= p.rows) {
        return;
    }
    const u64 source_row = static_cast<u64>(blockIdx.z) * p.source_rows + p.first_row + row;
    const u64 out_row = static_cast<u64>(blockIdx.z) * p.rows + row;
    const u8 *samples = p.source + (source_row * p.width + p.table[target]) * CHANNELS + channel;
    p.out[out_row * p.targets * CHANNELS + column] = weighted(p, target, samples, CHANNELS);
}

// Many taps, one channel: a warp makes ROWS rows of one target, each thread every 32nd tap of all.
constexpr u32 LANES = 32, WARPS = 4, ROWS = 8;

__device__ __forceinline__ void across_many(const Resample &p) {
    // Four words more, so that threads that add up different rows read different banks.
    __shared__ u32 sums[WARPS][ROWS][LANES + 4];
    const u32 target = blockIdx.x, lane = threadIdx.x;
    const u32 row = row_of_thread(ROWS);
    const u32 count = p.table[p.targets + target];
    const int *weights = p.table + 2 * p.targets + static_cast<u64>(target) * p.taps;
    const u64 source_row = static_cast<u64>(blockIdx.z) * p.source_rows + p.first_row;
    const u8 *samples[ROWS];
    u32 parts[ROWS];
    UNROLLED
    for (u32 i = 0; i < ROWS; i++) {
        const u64 read = source_row + smaller(row + i, p.rows - 1);
        samples[i] = p.source + read * p.width + p.table[target];
        parts[i] = 0;
    }
    for (u32 tap = lane; tap < count; tap += LANES) {
        UNROLLED
        for (u32 i = 0; i < ROWS; i++) {
            parts[i] += samples[i][tap] * static_cast<u32>(weights[tap]);
        }
    }
    UNROLLED
    for (u32 i = 0; i < ROWS; i++) {
        sums[threadIdx.y][i][lane] = parts[i];
    }
    __syncthreads();
    if (lane < ROWS && row + lane < p.rows) {
        u32 sum = 1u << 21;
        UNROLLED
        for (u32 i = 0; i < LANES; i++) {
            sum += sums[threadIdx.y][lane][i];
        }
        const u64 out_row = static_cast<u64>(blockIdx.z) * p.rows + row + lane;
        p.out[out_row * p.targets + target] = clamped(static_cast<int>(sum) >> 22);
    }
}

extern "C" {
__global__ void resample_across_many(const Resample __grid_constant__ p) { across_many(p); }
__global__ void resample_across_1(const Resample __grid_constant__ p) { across<1>(p); }
__global__ void resample_across_3(const Resample __grid_constant__ p) { across<3>(p); }

// Whatever the channels: a thread makes one byte.
__global__ void resample_down(const Resample __grid_constant__ p) {
    const u32 column = column_of_thread(1), target = row_of_thread(1);
    if (column >= p.width || target >= p.targets) {
        return;
    }
    const u64 first = p.table[target] - p.missing_rows;
    const u64 source_row = static_cast<u64>(blockIdx.z) * p.source_rows + first;
    const u64 out_row = static_cast<u64>(blockIdx.z) * p.targets + target;
    const u8 *samples = p.source + source_row * p.width + column;
    p.out[out_row * p.width + column] = weighted(p, target, samples, p.width);
}
}
