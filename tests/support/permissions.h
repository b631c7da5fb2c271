// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

namespace i2crc::testing {

// For a child process: root writes into folders whose permissions forbid it. From here on this
// process does not, nor does what it starts.
inline void ObeyPermissions() {
  for (const int capability : {CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH})
    prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);  // of what it starts; root alone may and needs to
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[2] = {};
  if (syscall(SYS_capget, &header, sets) != 0) std::_Exit(96);
  const __u32 kept = ~(1U << CAP_DAC_OVERRIDE | 1U << CAP_DAC_READ_SEARCH);
  sets[0].effective &= kept;
  sets[0].permitted &= kept;
  sets[0].inheritable &= kept;
  if (syscall(SYS_capset, &header, sets) != 0) std::_Exit(96);
}

// For a child process of root's, whom no limit of processes binds: from here on this process and
// what it starts are a user's of whom there is nothing else, who may have so many processes and
// threads, and whom permissions still do not hinder.
inline void LimitThreads(uint64_t most) {
  const auto user = static_cast<uid_t>(1000000 + getpid());
  const rlimit limit = {most, most};
  bool done = setrlimit(RLIMIT_NPROC, &limit) == 0 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 &&
              setresuid(user, user, user) == 0;
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[2] = {};
  sets[0].effective = sets[0].permitted = sets[0].inheritable =
      1U << CAP_DAC_OVERRIDE | 1U << CAP_DAC_READ_SEARCH;
  done = done && syscall(SYS_capset, &header, sets) == 0;
  for (const int capability : {CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH})
    done = done && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) == 0;
  if (!done) std::_Exit(96);
}

}  // namespace i2crc::testing
