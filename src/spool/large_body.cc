#include "spool/large_body.h"

#include "base/crc32c.h"
#include "spool/segment_files.h"

#include <utility>

namespace impulse::spool {

Result<std::unique_ptr<LargeBody>> LargeBody::create(const Setup& setup) {
  auto created = setup.files.create();
  if (!created) return std::unexpected(created.error());
  return std::unique_ptr<LargeBody>(new LargeBody(setup, std::move(*created)));
}

LargeBody::~LargeBody() {
  if (file_) drop();
}

Result<> LargeBody::append(std::string_view bytes) {
  if (failed_) return std::unexpected(*failed_);
  crc_ = crc32c(crc_, bytes);
  size_ += bytes.size();
  // Lines come one by one; what is large already is not copied.
  if (gathered_.empty() && bytes.size() >= setup_.block) return write(bytes);
  gathered_ += bytes;
  if (gathered_.size() < setup_.block) return {};
  auto written = write(gathered_);
  gathered_.clear();
  return written;
}

Result<> LargeBody::write(std::string_view bytes) {
  // The bodies under way must not fill what Spool_Min_Free keeps free.
  if (auto admitted = setup_.health.admission(); !admitted) return give_up(std::move(admitted.error()));
  if (const int result = file_->write(bytes, written_); result < 0) return give_up(file_error(result, path_).error());
  written_ += bytes.size();
  if (written_ - begun_ >= setup_.write_out_every) {
    setup_.work->post([file = file_, from = begun_, length = written_ - begun_] {
      (void)file->ops().start_writing(file->fd(), from, length);  // the sync tells
    });
    begun_ = written_;
  }
  return {};
}

std::unexpected<Error> LargeBody::give_up(Error why) {
  if (why.code != Errc::no_space && why.code != Errc::no_files && why.code != Errc::busy) why.code = Errc::io;
  failed_ = why;
  gathered_ = {};
  drop();
  return std::unexpected(std::move(why));
}

Result<> LargeBody::finish() {
  if (failed_) return std::unexpected(*failed_);
  if (gathered_.empty()) return {};
  auto written = write(gathered_);
  gathered_ = {};
  return written;
}

Result<> LargeBody::sync() {
  if (failed_) return std::unexpected(*failed_);
  if (const int result = file_->ops().sync_data(file_->fd()); result < 0)
    return give_up(file_error(result, path_).error());
  if (auto synced = setup_.files.sync_names(); !synced) return give_up(std::move(synced.error()));
  return {};
}

std::unique_ptr<LargeBody> LargeBody::hand_over() {
  std::unique_ptr<LargeBody> other(new LargeBody(setup_, {number_, std::move(file_)}));
  other->size_ = size_;
  other->crc_ = crc_;
  return other;
}

void LargeBody::keep() { file_.reset(); }

// Removing a large file takes its time.
void LargeBody::drop() {
  setup_.work->post([file = file_, path = path_] { (void)file->ops().unlink(path); });
  file_.reset();
}

}  // namespace impulse::spool
