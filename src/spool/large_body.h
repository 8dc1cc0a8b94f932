// LargeBody: the rest of a body, on its way into a file of its own.
#pragma once

#include "message/body_sink.h"
#include "spool/health.h"
#include "spool/large_files.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace impulse::spool {

class LargeBody final : public message::BodySink {
 public:
  // What stands behind all of a spool's; outliving them, but for `work`.
  struct Setup {
    const LargeFiles& files;
    const Health& health;
    std::shared_ptr<LargeWork> work;
    size_t block = 64 << 10;             // bytes gathered for a write
    uint64_t write_out_every = 1 << 20;  // bytes behind which writing them to the disk is begun
  };
  static Result<std::unique_ptr<LargeBody>> create(const Setup& setup);
  ~LargeBody() override;  // the file goes, unless it was kept

  Result<> append(std::string_view bytes) override;
  uint64_t size() const override { return size_; }

  bool belongs_to(const LargeFiles& files) const { return &setup_.files == &files; }
  // Everything is in the file then; what append() failed with before.
  Result<> finish();
  // Makes the file and its name durable; blocks. After finish(), on any thread.
  Result<> sync();
  Rest rest() const { return {number_, size_, crc_}; }
  // The file alone, for one who outlives the message; this has none then.
  std::unique_ptr<LargeBody> hand_over();
  // It belongs to a message in the spool now, or is left to the next start.
  void keep();

 private:
  LargeBody(const Setup& setup, LargeFiles::Created created)
      : setup_(setup), number_(created.number), path_(setup.files.path(number_)), file_(std::move(created.file)) {}
  Result<> write(std::string_view bytes);
  std::unexpected<Error> give_up(Error why);
  void drop();

  Setup setup_;
  uint64_t number_;
  std::string path_;
  std::shared_ptr<File> file_;  // null: dropped, or kept
  std::string gathered_;
  uint64_t size_ = 0;
  uint64_t written_ = 0;
  uint64_t begun_ = 0;  // of what is written, writing out was begun up to here
  uint32_t crc_ = 0;
  std::optional<Error> failed_;
};

}  // namespace impulse::spool
