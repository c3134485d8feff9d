// Who smiles in a FaceAffectArray: the messages of affect_perception in C++, without a node.
#include <affect_listener_cpp/msg/audience.hpp>
#include <affect_perception/msg/face_affect_array.hpp>
#include <iostream>

using affect_perception::msg::FaceAffect;

affect_listener_cpp::msg::Audience smiling_people(const affect_perception::msg::FaceAffectArray& array) {
  affect_listener_cpp::msg::Audience out;
  for (const auto& face : array.faces)
    if (face.smile_level >= FaceAffect::SMILE_MEDIUM && face.smile_level != FaceAffect::SMILE_UNKNOWN)
      out.smiling.push_back(face);
  return out;
}

int main() {
  affect_perception::msg::FaceAffectArray array;
  for (const auto level : {FaceAffect::SMILE_NEUTRAL, FaceAffect::SMILE_HIGH, FaceAffect::SMILE_UNKNOWN}) {
    FaceAffect face;
    face.track_id = static_cast<uint32_t>(array.faces.size() + 1);
    face.smile_level = level;
    array.faces.push_back(face);
  }
  const auto audience = smiling_people(array);
  std::cout << audience.smiling.size() << " smiles: " << audience.smiling.at(0).track_id << '\n';
}
