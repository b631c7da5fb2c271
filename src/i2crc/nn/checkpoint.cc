// SPDX-License-Identifier: Apache-2.0
#include "i2crc/nn/checkpoint.h"

#include "i2crc/core/error.h"
#include "i2crc/nn/state_dict.h"
#include "i2crc/weights/name_map.h"
#include "i2crc/weights/tensor_checksum.h"
#include "i2crc/weights/tensor_file.h"

namespace i2crc {
namespace {

using Json = nlohmann::ordered_json;
constexpr const char* kKey = "i2crc";
constexpr int kFormat = 1;

const char* KindName(NetworkKind kind) {
  return kind == NetworkKind::kAttention ? "attention" : "segmentation";
}

NetworkKind KindOf(const NetworkSpec& spec) {
  return IsAttentionArch(spec.arch) ? NetworkKind::kAttention : NetworkKind::kSegmentation;
}

// Outputs of a network for so many classes: a segmentation network has background too.
int OutputsFor(NetworkKind kind, int classes) {
  return kind == NetworkKind::kAttention ? classes : classes + 1;
}

CheckpointInfo ReadInfo(const std::string& text, const std::string& file) {
  try {
    const Json json = Json::parse(text);
    if (json.at("format").get<int>() != kFormat)
      Fail("{}: checkpoint format {}, this program reads {}", file, json.at("format").get<int>(),
           kFormat);
    CheckpointInfo info;
    info.spec.arch = json.at("arch").get<std::string>();
    info.spec.width = json.at("width").get<double>();
    info.spec.multi_scale = json.at("multi_scale").get<bool>();
    info.classes = ClassNames(json.at("classes").get<std::vector<std::string>>());
    info.normalisation = ParseNormalisation(json.at("normalisation").get<std::string>());
    info.input_size = json.at("input_size").get<int>();
    if (info.input_size < 1 || info.input_size > 4096) Fail("input size {}", info.input_size);
    info.settings = json.at("settings");
    if (!IsAttentionArch(info.spec.arch) && !IsSegmentationArch(info.spec.arch))
      Fail("unknown architecture '{}'", info.spec.arch);
    info.spec.outputs = OutputsFor(KindOf(info.spec), info.classes.count());
    return info;
  } catch (const Json::exception& error) {
    Fail("{}: its description is damaged: {}", file, error.what());
  } catch (const Error& error) {
    Fail("{}: its description is damaged: {}", file, error.what());
  }
}

// Before such a network is made: a file that claims a wide network must be as large as one. The
// smallest network here has more than 10⁷ parameters at width 1.
void CheckWidth(const NetworkSpec& spec, const TensorMap& tensors, const std::string& file) {
  if (!(spec.width > 0 && spec.width <= 8))
    Fail("{}: its description is damaged: width {}", file, spec.width);
  double elements = 0;
  for (const auto& [name, tensor] : tensors.items())
    elements += static_cast<double>(tensor.elements());
  if (elements < 5e6 * spec.width * spec.width)
    Fail("{}: its tensors have {:.0f} values, too few for a network of width {}", file, elements,
         spec.width);
}

bool Has(const TensorMap& tensors, const std::string& name) {
  return tensors.Find(name) != nullptr;
}

int OutputsOf(const TensorMap& tensors, const std::string& name) {
  const Tensor* tensor = tensors.Find(name);
  return tensor != nullptr && !tensor->shape.empty() ? static_cast<int>(tensor->shape[0]) : 0;
}

}  // namespace

int ResNetDepth(const TensorMap& tensors, const std::string& prefix) {
  if (!Has(tensors, prefix + "layer4.1.conv2.weight")) return 0;
  if (!Has(tensors, prefix + "layer1.0.conv3.weight")) return 18;
  return Has(tensors, prefix + "layer3.22.conv3.weight") ? 101 : 50;
}

namespace {

// A file without our description: told by the names that the authors' networks have.
CheckpointInfo GuessInfo(const TensorMap& tensors, const std::optional<ClassNames>& classes,
                         const std::string& file) {
  CheckpointInfo info;
  int outputs = 0;
  if (Has(tensors, "extra_convs.6.weight")) {
    info.spec.arch = "vgg16";
    outputs = OutputsOf(tensors, "extra_convs.6.weight");
  } else if (Has(tensors, "head.weight") && ResNetDepth(tensors, "") > 0) {
    info.spec.arch = fmt::format("resnet{}", ResNetDepth(tensors, ""));
    outputs = OutputsOf(tensors, "head.weight");
  } else {
    info.spec.multi_scale = Has(tensors, "base.classifier.conv2d_list.0.weight");
    const std::string prefix = info.spec.multi_scale ? "base." : "";
    const int depth = ResNetDepth(tensors, prefix + "features.");
    outputs = OutputsOf(tensors, prefix + "classifier.conv2d_list.0.weight");
    if (depth == 0 || outputs == 0)
      Fail("{}: no checkpoint of an attention or segmentation network that is known here", file);
    info.spec.arch = fmt::format("deeplab-resnet{}", depth);
    info.normalisation = Normalisation::kBgr;
  }
  info.spec.outputs = outputs;
  if (classes) {
    info.classes = *classes;
  } else if (outputs != OutputsFor(KindOf(info.spec), info.classes.count())) {
    Fail("{}: a network with {} outputs and without class names; name them with --classes", file,
         outputs);
  }
  return info;
}

}  // namespace

TensorMap MakeCheckpoint(Network& network, const CheckpointInfo& info) {
  TensorMap tensors = SaveState(network);
  const Json json = {{"format", kFormat},
                     {"kind", KindName(KindOf(info.spec))},
                     {"arch", info.spec.arch},
                     {"width", info.spec.width},
                     {"multi_scale", info.spec.multi_scale},
                     {"classes", info.classes.names()},
                     {"normalisation", NormalisationName(info.normalisation)},
                     {"input_size", info.input_size},
                     {"settings", info.settings}};
  tensors.metadata[kKey] = json.dump();
  AddChecksum(tensors);
  return tensors;
}

NetworkKind KindOfCheckpoint(const std::filesystem::path& path) {
  const std::string file = path.string();
  TensorMap tensors = ReadTensorHeaders(path);
  StripModulePrefix(tensors, file);
  const auto described = tensors.metadata.find(kKey);
  if (described != tensors.metadata.end()) return KindOf(ReadInfo(described->second, file).spec);
  return Has(tensors, "extra_convs.6.weight") || Has(tensors, "head.weight")
             ? NetworkKind::kAttention
             : NetworkKind::kSegmentation;
}

LoadedNetwork LoadCheckpoint(const std::filesystem::path& path, NetworkKind kind,
                             const std::optional<ClassNames>& classes) {
  const std::string file = path.string();
  TensorMap tensors = ReadTensorFile(path);
  StripModulePrefix(tensors, file);
  const auto described = tensors.metadata.find(kKey);
  LoadedNetwork loaded;
  loaded.info = described != tensors.metadata.end() ? ReadInfo(described->second, file)
                                                    : GuessInfo(tensors, classes, file);
  const CheckpointInfo& info = loaded.info;
  if (KindOf(info.spec) != kind)
    Fail("{}: a network for {} ({}), needed is one for {}", file, KindName(KindOf(info.spec)),
         info.spec.arch, KindName(kind));
  if (classes && (classes->count() != info.classes.count() ||
                  info.spec.outputs != OutputsFor(kind, classes->count())))
    Fail("{}: a network for {} classes, --classes names {}", file,
         info.spec.outputs - OutputsFor(kind, 0), classes->count());
  CheckWidth(info.spec, tensors, file);
  loaded.network = MakeNetworkToLoad(info.spec);
  LoadState(*loaded.network, tensors, file);
  // Last, since what does not fit has a better name.
  CheckChecksum(tensors, file, "make it again, by the training that made it");
  loaded.network->Eval();
  return loaded;
}

}  // namespace i2crc
