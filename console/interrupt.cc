#include "console/interrupt.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace impulse::console {

namespace {

// A signal handler can reach nothing else.
std::atomic<int> interrupt_writer{-1};

extern "C" void on_interrupt(int) {
  const int saved = errno;
  const char byte = 'c';
  [[maybe_unused]] const ssize_t written = ::write(interrupt_writer.load(), &byte, 1);
  errno = saved;
}

}  // namespace

Interrupt::Interrupt() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return;  // then Ctrl-C ends the program, as it always does
  reader_.reset(ends[0]);
  writer_.reset(ends[1]);
  interrupt_writer = writer_.get();
  struct sigaction action{};
  action.sa_handler = on_interrupt;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, &before_);
}

Interrupt::~Interrupt() {
  if (!writer_) return;
  ::sigaction(SIGINT, &before_, nullptr);
  interrupt_writer = -1;
}

void Interrupt::clear() {
  char block[64];
  while (reader_ && ::read(reader_.get(), block, sizeof block) > 0) continue;
}

}  // namespace impulse::console
