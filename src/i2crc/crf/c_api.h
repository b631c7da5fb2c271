/* SPDX-License-Identifier: Apache-2.0 */
#ifndef I2CRC_CRF_C_API_H_
#define I2CRC_CRF_C_API_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The dense CRF of dense_crf.h in plain C.
 *
 * Every function that can fail returns one of I2crcCrfStatus and leaves by no other way;
 * i2crc_crf_last_error() says in words what went wrong, with the argument's name in front. What a
 * function writes to is untouched where it fails. Arrays are row by row and are handed over with
 * the number of their elements, which must be the one that the description says. One object serves
 * many images one after the other and must not be used by two threads at once; several objects may
 * work at once. */
typedef struct I2crcCrf I2crcCrf;

enum I2crcCrfStatus {
  I2CRC_CRF_OK = 0,
  I2CRC_CRF_INVALID_ARGUMENT = 1,
  I2CRC_CRF_OUT_OF_ORDER = 2, /* something else must be called before */
  I2CRC_CRF_OUT_OF_MEMORY = 3,
  I2CRC_CRF_INTERNAL_ERROR = 4
};

/* How the lattice's filter is normalised: F(Q) by Z, the filter of ones. */
enum I2crcCrfNormalization {
  I2CRC_CRF_NORMALIZE_NONE = 0,
  I2CRC_CRF_NORMALIZE_BEFORE = 1,
  I2CRC_CRF_NORMALIZE_AFTER = 2,
  I2CRC_CRF_NORMALIZE_SYMMETRIC = 3
};

/* How marginals are kept between the passes; auto takes the faster one of the others. */
enum I2crcCrfPrecision {
  I2CRC_CRF_PRECISION_AUTO = 0,
  I2CRC_CRF_PRECISION_SINGLE = 1,
  I2CRC_CRF_PRECISION_PACKED = 2 /* 24 bits; not of the portable instruction set */
};

enum I2crcCrfInstructionSet {
  I2CRC_CRF_BEST_INSTRUCTIONS = 0,
  I2CRC_CRF_PORTABLE = 1,
  I2CRC_CRF_AVX2 = 2,
  I2CRC_CRF_AVX512 = 3
};

enum I2crcCrfPreset {
  I2CRC_CRF_DEEPLAB = 0, /* Gaussian sigma 1, weight 3; bilateral 67, 3, weight 4 */
  I2CRC_CRF_PSA = 1,     /* Gaussian sigma 3, weight 3; bilateral 80, 13, weight 10 */
  I2CRC_CRF_IRN = 2      /* Gaussian sigma 3, weight 3; bilateral 50, 5, weight 10 */
};

/* All zero: all cores, and the best that the machine has. */
typedef struct I2crcCrfOptions {
  int threads;         /* for one image, at most 1024; 0: all cores. The results do not depend on
                        * it, and where no more can be started fewer do. */
  int precision;       /* I2crcCrfPrecision */
  int instruction_set; /* I2crcCrfInstructionSet */
} I2crcCrfOptions;

/* What the filtered marginals of a term add to the energies. */
enum I2crcCrfCompatibilityKind {
  I2CRC_CRF_POTTS = 0,     /* 1 value w: lowers the energy of the same label by w */
  I2CRC_CRF_PER_LABEL = 1, /* [L], a diagonal matrix, added with its own sign */
  I2CRC_CRF_MATRIX = 2     /* [L, L], M: (M + transposed M)/2 is added with its own sign */
};
typedef struct I2crcCrfCompatibility {
  int kind;            /* I2crcCrfCompatibilityKind */
  const float* values; /* finite */
  size_t count;
} I2crcCrfCompatibility;

/* Words for the last call of this thread that failed, "" where none did. Stands until the next one
 * that fails. */
const char* i2crc_crf_last_error(void);

/* A new object, to be given back by i2crc_crf_destroy. options may be NULL: one thread, the rest as
 * all zero has it. */
int i2crc_crf_create(const I2crcCrfOptions* options, I2crcCrf** crf);
/* NULL is fine. */
int i2crc_crf_destroy(I2crcCrf* crf);

/* A new problem without unary and pairwise terms: L labels on height x width pixels, or on points
 * without a grid (height 1). At most 2^27 pixels, 2^16 labels and 2^31 values. */
int i2crc_crf_reset(I2crcCrf* crf, int labels, int height, int width);
/* What the last reset said; 0 before the first. */
int i2crc_crf_size(const I2crcCrf* crf, int* labels, int* height, int* width);

/* energy [L, H, W], finite. */
int i2crc_crf_set_unary(I2crcCrf* crf, const float* energy, size_t count);
/* -log(clip(probability, clip, 1)); probability [L, H, W], finite and >= 0; 0 < clip <= 1, as a
 * rule 1e-5. */
int i2crc_crf_set_probability(I2crcCrf* crf, const float* probability, size_t count, float clip);

/* Gaussian kernel over positions; sigma > 0, finite, in pixels. */
int i2crc_crf_add_gaussian(I2crcCrf* crf, float sigma_x, float sigma_y,
                           const I2crcCrfCompatibility* compatibility, int normalization);
/* Gaussian kernel over positions and colours; sigma_rgb 3 values; rgb [H, W, 3]. */
int i2crc_crf_add_bilateral(I2crcCrf* crf, float sigma_x, float sigma_y, const float* sigma_rgb,
                            const uint8_t* rgb, size_t rgb_count,
                            const I2crcCrfCompatibility* compatibility, int normalization);
/* Gaussian kernel of sigma 1 over features [dims, H, W], finite, 1 <= dims <= 32. */
int i2crc_crf_add_features(I2crcCrf* crf, const float* features, size_t count, int dims,
                           const I2crcCrfCompatibility* compatibility, int normalization);
/* Both terms of one of the field's settings; its number of iterations goes to *iterations, which
 * may be NULL. */
int i2crc_crf_add_preset(I2crcCrf* crf, int preset, const uint8_t* rgb, size_t rgb_count,
                         int* iterations);

/* Mean field from softmax(-unary), iterations >= 0. */
int i2crc_crf_infer(I2crcCrf* crf, int iterations);
/* The same, and KL(Q), up to a constant, after 0, 1 ... iterations: divergence [iterations + 1]. */
int i2crc_crf_infer_with_divergence(I2crcCrf* crf, int iterations, double* divergence,
                                    size_t count);

/* The same step by step: start, then step for each iteration. */
int i2crc_crf_start(I2crcCrf* crf);
int i2crc_crf_step(I2crcCrf* crf);
/* Goes on from these marginals [L, H, W], finite and >= 0. */
int i2crc_crf_set_marginals(I2crcCrf* crf, const float* marginals, size_t count);
/* KL(Q) of the marginals as they are. */
int i2crc_crf_divergence(I2crcCrf* crf, double* divergence);

/* marginals [L, H, W]. */
int i2crc_crf_marginals(const I2crcCrf* crf, float* marginals, size_t count);
/* The label with the largest marginal, the first on a tie: labels [H, W]. */
int i2crc_crf_argmax(const I2crcCrf* crf, int32_t* labels, size_t count);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* I2CRC_CRF_C_API_H_ */
