#include "server/notify.h"

#include "config.h"

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#include <time.h>

#include <cinttypes>
#endif

namespace impulse::server {

#ifdef HAVE_SYSTEMD
void notify_ready() { sd_notify(0, "READY=1"); }
void notify_reloading() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
             static_cast<uint64_t>(now.tv_sec) * 1000000 + static_cast<uint64_t>(now.tv_nsec) / 1000);
}
void notify_stopping() { sd_notify(0, "STOPPING=1"); }
#else
void notify_ready() {}
void notify_reloading() {}
void notify_stopping() {}
#endif

}  // namespace impulse::server
