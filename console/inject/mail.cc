#include "console/inject/mail.h"

#include "console/inject/filler.h"

namespace impulse::ecinject {

void Mail::append_to(std::string& out) const {
  if (stored != nullptr) {
    out += stored->bytes;
    return;
  }
  out += head;
  filler->append(filler_size, out);
}

void Mail::append_dotted(std::string& out) const {
  if (stored == nullptr || !stored->dots) {
    append_to(out);
  } else {
    std::string_view rest = stored->bytes;
    if (rest.starts_with('.')) out += '.';
    for (size_t at = 0; (at = rest.find("\n.")) != std::string_view::npos;) {
      out += rest.substr(0, at + 2);
      out += '.';
      rest.remove_prefix(at + 2);
    }
    out += rest;
  }
  out += ".\r\n";
}

}  // namespace impulse::ecinject
