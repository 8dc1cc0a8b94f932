// Large bodies on their way into a stream: in memory is one piece, and what has
// not left yet of the one before.
#include "delivery/ecstream_courier.h"

#include "base/text.h"

#include <memory>
#include <string>
#include <utility>

namespace impulse::delivery {

void EcstreamCourier::read_rest() {
  const uint64_t wanted = session_->wants();
  const StreamJob* const job = wanted == 0 ? nullptr : find(wanted);
  fetch_ = Fetch::no;
  if (job == nullptr || fault_) return;
  if (reading_ != wanted) {
    reading_ = wanted;
    reader_ = job->rest()->reader();
    lines_ = job->lines();
    left_ = job->rest()->size();
  }
  fetch_ = Fetch::reading;
  read_on(reader_);
}

void EcstreamCourier::have_read(const std::shared_ptr<message::BodyReader>& reader,
                                const Result<std::string_view>& piece) {
  if (reader != reader_) return;  // of another connection, or a message that is over by now
  fetch_ = Fetch::no;
  if (session_->wants() != reading_) {  // it was refused
    stop_reading();
  } else if (!piece) {
    cannot_read(piece.error().message);
  } else if (piece->empty() || piece->size() > left_) {
    cannot_read("it is not as long as it was");
  } else {
    std::string text;
    lines_.add(*piece, text);
    left_ -= piece->size();
    if (left_ == 0) lines_.finish(text);
    session_->more(text, out_);
  }
  write_more();
  count_unsent();
  tell();
}

// The server forgets what it has of it.
void EcstreamCourier::cannot_read(const std::string& why) {
  if (StreamJob* const job = find(reading_))
    job->refused({0, escape_line("the rest of the body cannot be read: " + why, 512)});
  stream_.give_up(reading_);
  stop_reading();
}

void EcstreamCourier::stop_reading() {
  fetch_ = Fetch::no;
  reader_.reset();
  reading_ = 0;
}

}  // namespace impulse::delivery
