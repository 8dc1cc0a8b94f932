// What tools that look at the process call a thread.
#pragma once

#include <pthread.h>
#include <unistd.h>

#include <string>

namespace impulse {

// Names the calling thread; the kernel keeps 15 bytes. The first thread stays
// as it is: its name is the name of the process.
inline void name_thread(const std::string& name) {
  if (::gettid() != ::getpid()) ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
}

}  // namespace impulse
