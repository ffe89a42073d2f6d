/* A JPEG, strip by strip, by libjpeg's own interface: TurboJPEG's takes pictures as a whole.
 *
 * libjpeg reports errors by a call that must not return. Here it leaves by longjmp to the function that Rust called,
 * which gives a negative number, so that no Rust frame is ever jumped over. */

#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>
#include <jerror.h>

struct framecache_coder {
  struct jpeg_compress_struct info;
  struct jpeg_error_mgr errors;
  struct jpeg_destination_mgr target;
  jmp_buf caller;
  char message[JMSG_LENGTH_MAX];
  size_t capacity;
  /* Rows that end at a whole block, for pictures that do not; by component. */
  JSAMPARRAY padded[3];
};

static void leave(j_common_ptr info) {
  struct framecache_coder *coder = info->client_data;
  info->err->format_message(info, coder->message);
  longjmp(coder->caller, 1);
}

static void say_nothing(j_common_ptr info) { (void)info; }

static void have_buffer(j_compress_ptr info) { (void)info; }

/* The buffer was said to hold the largest JPEG of its size. */
static boolean buffer_full(j_compress_ptr info) {
  ERREXIT(info, JERR_BUFFER_SIZE);
  return FALSE;
}

void framecache_coder_free(struct framecache_coder *coder) {
  jpeg_destroy_compress(&coder->info);
  free(coder);
}

static int create(struct framecache_coder *coder) {
  if (setjmp(coder->caller)) return -1;
  jpeg_create_compress(&coder->info);
  return 0;
}

/* NULL where memory is short. */
struct framecache_coder *framecache_coder_new(void) {
  struct framecache_coder *coder = calloc(1, sizeof(*coder));
  if (!coder) return NULL;
  coder->info.err = jpeg_std_error(&coder->errors);
  coder->errors.error_exit = leave;
  coder->errors.output_message = say_nothing;
  coder->info.client_data = coder;
  if (create(coder) < 0) {
    framecache_coder_free(coder);
    return NULL;
  }
  coder->target.init_destination = have_buffer;
  coder->target.empty_output_buffer = buffer_full;
  coder->target.term_destination = have_buffer;
  coder->info.dest = &coder->target;
  return coder;
}

/* What went wrong last: text that ends with a zero. */
const char *framecache_coder_message(const struct framecache_coder *coder) { return coder->message; }

static void sample(struct framecache_coder *coder, int component, int h, int v) {
  coder->info.comp_info[component].h_samp_factor = h;
  coder->info.comp_info[component].v_samp_factor = v;
}

/* Samples of a row of the component's plane. */
static size_t row_width(const struct jpeg_compress_struct *info, const jpeg_component_info *of) {
  size_t across = (size_t)(info->max_h_samp_factor / of->h_samp_factor); /* pixels that a sample spans */
  return (info->image_width + across - 1) / across;
}

/* Room for rows to be continued in, for components that need it. */
static void pad(struct framecache_coder *coder) {
  struct jpeg_compress_struct *info = &coder->info;
  for (int c = 0; c < info->num_components; c++) {
    jpeg_component_info *of = &info->comp_info[c];
    JDIMENSION full = of->width_in_blocks * DCTSIZE, rows = (JDIMENSION)of->v_samp_factor * DCTSIZE;
    coder->padded[c] = NULL;
    if (row_width(info, of) != full)
      coder->padded[c] = info->mem->alloc_sarray((j_common_ptr)info, JPOOL_IMAGE, full, rows);
  }
}

/* Begins a picture of so many pixels, gray or 4:2:0, into `out`. What was begun before is forgotten. */
int framecache_coder_begin(struct framecache_coder *coder, unsigned width, unsigned height, int gray, int quality,
                           unsigned char *out, size_t capacity) {
  struct jpeg_compress_struct *info = &coder->info;
  if (setjmp(coder->caller)) return -1;
  jpeg_abort_compress(info);
  info->image_width = width;
  info->image_height = height;
  info->input_components = gray ? 1 : 3;
  info->in_color_space = gray ? JCS_GRAYSCALE : JCS_YCbCr;
  jpeg_set_defaults(info);
  jpeg_set_quality(info, quality, TRUE);
  info->dct_method = JDCT_ISLOW;
  info->raw_data_in = TRUE;
  if (gray) {
    sample(coder, 0, 1, 1);
  } else {
    sample(coder, 0, 2, 2);
    sample(coder, 1, 1, 1);
    sample(coder, 2, 1, 1);
  }
  coder->target.next_output_byte = out;
  coder->target.free_in_buffer = coder->capacity = capacity;
  jpeg_start_compress(info, TRUE);
  pad(coder);
  return 0;
}

/* Row `at` of a component's plane that has `width x height` samples, continued to the right and below by its last ones. */
static JSAMPROW row_of(const unsigned char *plane, size_t width, size_t height, size_t at, JSAMPROW padded, size_t full) {
  const unsigned char *row = plane + (at < height ? at : height - 1) * width;
  if (width == full) return (JSAMPROW)row; /* libjpeg only reads it */
  for (size_t x = 0; x < full; x++) padded[x] = row[x < width ? x : width - 1];
  return padded;
}

/* The next `rows` of the picture, a multiple of 16 but at its end; rows of planes are not padded. */
int framecache_coder_rows(struct framecache_coder *coder, const unsigned char *const planes[3], unsigned rows) {
  struct jpeg_compress_struct *info = &coder->info;
  if (setjmp(coder->caller)) return -1;
  unsigned step = (unsigned)info->max_v_samp_factor * DCTSIZE;
  for (unsigned first = 0; first < rows; first += step) {
    JSAMPROW pointers[3][2 * DCTSIZE];
    JSAMPARRAY components[3];
    for (int c = 0; c < info->num_components; c++) {
      jpeg_component_info *of = &info->comp_info[c];
      size_t down = (size_t)(info->max_v_samp_factor / of->v_samp_factor);
      size_t height = (rows + down - 1) / down;
      for (size_t n = 0; n < (size_t)of->v_samp_factor * DCTSIZE; n++)
        pointers[c][n] = row_of(planes[c], row_width(info, of), height, first / down + n,
                                coder->padded[c] ? coder->padded[c][n] : NULL, (size_t)of->width_in_blocks * DCTSIZE);
      components[c] = pointers[c];
    }
    if (jpeg_write_raw_data(info, components, step) != step) ERREXIT(info, JERR_BUFFER_SIZE);
  }
  return 0;
}

/* Ends the picture and tells the file's length. */
int framecache_coder_end(struct framecache_coder *coder, size_t *length) {
  if (setjmp(coder->caller)) return -1;
  jpeg_finish_compress(&coder->info);
  *length = coder->capacity - coder->target.free_in_buffer;
  return 0;
}
