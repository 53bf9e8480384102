// Averages by name.
#include "checkpoint/averaged_reader.hpp"

#include "strata/cpp/error.hpp"

namespace strata::checkpoint {

AveragedReader::AveragedReader(const std::filesystem::path& checkpoint, std::string_view state)
    : all_(checkpoint, CheckpointReader::Take::kAll) {
  for (size_t i = 0; i < all_.tensors().size(); ++i) {
    const StoredTensor& weight = all_.tensors()[i];
    if (!is_weight(all_.kind(i))) {
      continue;
    }
    const auto average = all_.find(text(weight.name, ".", state));
    const bool fits = average && all_.kind(*average) == Kind::kState &&
                      all_.tensors()[*average].shape == weight.shape;
    averages_ += fits ? 1 : 0;
    places_.push_back(fits ? *average : i);
    tensors_.push_back({weight.name, all_.tensors()[places_.back()].dtype, weight.shape});
  }
}

void AveragedReader::read(size_t tensor, int64_t begin, int64_t count, void* out) const {
  check_elements(*this, tensor, begin, count);
  all_.read(places_[tensor], begin, count, out);
}

}  // namespace strata::checkpoint
