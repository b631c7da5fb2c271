/* SPDX-License-Identifier: Apache-2.0 */
/* The C interface as a C program uses it: compiled as C99, called by c_api_test.cc. */
#include <stddef.h>
#include <stdint.h>

#include "i2crc/crf/c_api.h"

/* Of a 4 x 3 image whose left half is dark: two labels, unsure at one pixel, which its neighbours
 * decide. Returns the first status that is not I2CRC_CRF_OK. */
int i2crc_crf_user_in_c(int32_t labels[12], float marginals[24], double divergence[6]) {
  const I2crcCrfOptions options = {1, I2CRC_CRF_PRECISION_SINGLE, I2CRC_CRF_PORTABLE};
  const float weight = 4;
  const float sigma_rgb[3] = {13, 13, 13};
  I2crcCrfCompatibility potts;
  I2crcCrf* crf = NULL;
  float probability[24];
  uint8_t rgb[36];
  int status, i;

  for (i = 0; i < 12; ++i) {
    const int right = i % 4 >= 2;
    probability[i] = i == 5 ? 0.5F : (right ? 0.1F : 0.9F);
    probability[12 + i] = 1 - probability[i];
    rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = right ? 220 : 20;
  }
  potts.kind = I2CRC_CRF_POTTS;
  potts.values = &weight;
  potts.count = 1;

  status = i2crc_crf_create(&options, &crf);
  if (status == I2CRC_CRF_OK) status = i2crc_crf_reset(crf, 2, 3, 4);
  if (status == I2CRC_CRF_OK) status = i2crc_crf_set_probability(crf, probability, 24, 1e-5F);
  if (status == I2CRC_CRF_OK)
    status = i2crc_crf_add_bilateral(crf, 3, 3, sigma_rgb, rgb, 36, &potts,
                                     I2CRC_CRF_NORMALIZE_SYMMETRIC);
  if (status == I2CRC_CRF_OK) status = i2crc_crf_infer_with_divergence(crf, 5, divergence, 6);
  if (status == I2CRC_CRF_OK) status = i2crc_crf_marginals(crf, marginals, 24);
  if (status == I2CRC_CRF_OK) status = i2crc_crf_argmax(crf, labels, 12);
  i2crc_crf_destroy(crf);
  return status;
}
