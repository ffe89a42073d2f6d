// All kernels as one C function, a thread after the other on the CPU:
//
//     g++ @kernels/host/flags kernels/host/host.cpp -o libkernels.so
#include "cuda.h"

#include "../jfif.cu"
#include "../resample.cu"
#include "../rgb.cu"
#include "../tensor.cu"
#include "../turn.cu"

#include <cstddef>
#include <type_traits>
#include <utility>

namespace {

template <auto kernel, class... Parameters, std::size_t... I>
void run_thread(void (*)(Parameters...), void **arguments, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_cv_t<std::remove_reference_t<Parameters>> *>(arguments[I])...);
}

template <auto kernel, class... Parameters>
void run_thread(void (*typed)(Parameters...), void **arguments) {
    run_thread<kernel>(typed, arguments, std::index_sequence_for<Parameters...>());
}

template <auto kernel> void run_threads(void **arguments) {
    for (threadIdx.z = 0; threadIdx.z < blockDim.z; threadIdx.z++) {
        for (threadIdx.y = 0; threadIdx.y < blockDim.y; threadIdx.y++) {
            for (threadIdx.x = 0; threadIdx.x < blockDim.x; threadIdx.x++) {
                run_thread<kernel>(kernel, arguments);
            }
        }
    }
}

template <auto kernel> void run_block(void **arguments) {
    met_barrier = is_past_barrier = false;
    run_threads<kernel>(arguments);
    if (met_barrier) {
        is_past_barrier = true;
        run_threads<kernel>(arguments);
    }
}

template <auto kernel> void run(const unsigned grid[3], const unsigned block[3], void **arguments) {
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block[0], block[1], block[2]};
    for (blockIdx.z = 0; blockIdx.z < gridDim.z; blockIdx.z++) {
        for (blockIdx.y = 0; blockIdx.y < gridDim.y; blockIdx.y++) {
            for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++) {
                run_block<kernel>(arguments);
            }
        }
    }
}

struct Entry {
    const char *name;
    void (*run)(const unsigned grid[3], const unsigned block[3], void **arguments);
};

#define ENTRY(kernel) {#kernel, run<kernel>}

const Entry entries[] = {
    ENTRY(jfif_nv12),         ENTRY(jfif_p016),         ENTRY(jfif_yuv444), ENTRY(jfif_yuv444_16),
    ENTRY(rgb_nv12),          ENTRY(rgb_p016),          ENTRY(rgb_yuv444),  ENTRY(rgb_yuv444_16),
    ENTRY(luma_nv12),         ENTRY(luma_p016),         ENTRY(luma_yuv444), ENTRY(luma_yuv444_16),
    ENTRY(resample_across_1), ENTRY(resample_across_3), ENTRY(resample_across_many), ENTRY(resample_down),
    ENTRY(turn_1),            ENTRY(turn_3),
    ENTRY(tensor_uint8),      ENTRY(tensor_fp16),       ENTRY(tensor_fp32),
};

} // namespace

// Runs a kernel by its name in the PTX, with arguments as cuLaunchKernel takes them: a pointer to
// each parameter. 0: it ran. 1: there is none of that name.
extern "C" int framecache_launch(const char *kernel, const unsigned grid[3], const unsigned block[3],
                                 void **arguments) {
    for (const Entry &entry : entries) {
        if (std::strcmp(entry.name, kernel) == 0) {
            entry.run(grid, block, arguments);
            return 0;
        }
    }
    return 1;
}
