"""What can be set of camera, tracker and network."""

from __future__ import annotations

from dataclasses import dataclass

from affect_perception.settings.declared import Settings, setting


@dataclass(frozen=True)
class SourceSettings(Settings):
    """Where pictures come from (`camera_node`)."""

    source: str = setting(
        'auto',
        'scene, camera:N, realsense, realsense:SERIAL, a video file, a bag, a stream URL, a folder of images, '
        'or auto (a camera if present, else scene)',
    )
    rate: float = setting(
        1.0,
        'speed of a file or of the scene relative to real time; 0 plays as fast as results come, losing no frame',
        low=0.0,
        high=100.0,
    )
    loop: bool = setting(False, 'start a file again when it ends')
    width: int = setting(1280, 'width asked of a camera, width of the scene', unit='px', low=64, high=7680)
    height: int = setting(720, 'height asked of a camera, height of the scene', unit='px', low=64, high=4320)
    fps: float = setting(
        30.0,
        'frame rate asked of a camera, frame rate of the scene and of image folders',
        unit='1/s',
        low=1.0,
        high=240.0,
    )
    frame_id: str = setting('camera_color_optical_frame', 'frame_id of the images, the optical frame of the camera')
    bag_topic: str = setting('', 'topic of a bag that holds the images; empty: the only one')
    scene_people: int = setting(4, 'people in the scene', unit='people', low=0, high=50)
    scene_seed: int = setting(0, 'seed of the scene; same seed, same pixels', low=0, high=2**31 - 1)
    scene_portraits: str = setting(
        '', 'folder with index.csv and a neutral and a smiling portrait of each person; empty: the built-in portrait'
    )


@dataclass(frozen=True)
class TrackerSettings(Settings):
    """How faces are found and followed (`face_tracker_node`)."""

    image_topic: str = setting(
        'image', 'topic of sensor_msgs/Image, or of sensor_msgs/CompressedImage when it ends in /compressed'
    )
    image_transport: str = setting(
        'auto', 'kind of image message; auto: compressed if the topic ends so', choices=('auto', 'raw', 'compressed')
    )
    reliable_images: bool = setting(
        False, 'ask for reliable delivery of images; only for replays that must not lose a frame'
    )
    depth_topic: str = setting(
        'auto',
        'topic of depth aligned to the images (sensor_msgs/Image, 16UC1 in mm or 32FC1 in m), which gives faces their '
        'position; auto: `depth` beside an image topic named `image`, none beside others; empty: none',
    )
    camera_info_topic: str = setting(
        '', 'topic of the camera_info of the images, used with depth; empty: `camera_info` beside the image topic'
    )
    depth_slop_s: float = setting(
        0.05,
        'largest difference of the stamps of an image and its depth; more than one frame, as aligned depth may come '
        'after its image, and then the last one serves',
        unit='s',
        low=0.0,
        high=1.0,
    )
    detector: str = setting(
        'auto',
        'detector of faces; auto takes dlib_cnn when its weights are installed, else dlib_hog',
        choices=('auto', 'dlib_cnn', 'dlib_hog', 'dlib_cnn_native'),
    )
    detector_weights: str = setting('', 'mmod_human_face_detector.dat for dlib_cnn; empty: the installed one')
    detect_device: str = setting('auto', 'where dlib_cnn runs: auto, cpu, cuda or cuda:N')
    detect_precision: str = setting(
        'auto',
        'arithmetic of dlib_cnn; auto takes the fastest of the device, the answers are the same',
        choices=('auto', 'fp32', 'bf16', 'fp16'),
    )
    detect_upsample: int = setting(
        0,
        'how often dlib_cnn doubles the image first: each halves the smallest face, at four times the cost',
        unit='times',
        low=0,
        high=2,
    )
    detect_every: int = setting(
        10, 'frames from one run of the detector to the next', unit='frames', low=1, high=300, live=True
    )
    detect_inline: bool = setting(
        False, 'wait for the detector instead of running it beside the tracker: slower, and the same on every run'
    )
    detect_beside: str = setting(
        'auto',
        'what the detector runs in beside the tracker; auto: on a CPU in a process, on a GPU in a thread',
        choices=('auto', 'thread', 'process'),
    )
    detect_width: int = setting(
        1280, 'wider images are scaled down to this width for the detector', unit='px', low=160, high=7680
    )
    min_confidence: float = setting(0.0, 'detections below this are ignored', low=0.0, high=1.0, live=True)
    new_confidence: float = setting(
        0.5,
        'a track begins with a detection of at least this; weaker ones only confirm known faces',
        low=0.0,
        high=1.0,
        live=True,
    )
    max_unseen_s: float = setting(
        1.5, 'a track that no detection confirms for this long ends', unit='s', low=0.1, high=60.0, live=True
    )
    max_hidden_s: float = setting(
        0.4,
        'a face that cannot be followed (hidden, blurred) is still reported for this long',
        unit='s',
        low=0.0,
        high=5.0,
        live=True,
    )
    keep_lost_s: float = setting(
        3.0,
        'a track that ended keeps its id for a face that appears there within this time',
        unit='s',
        low=0.0,
        high=60.0,
        live=True,
    )
    reid: str = setting(
        'auto',
        'give people who return their old id, by face descriptors; auto: if the weights are installed; descriptors '
        'stay in memory and are never published or written',
        choices=('auto', 'on', 'off'),
    )
    reid_memory_s: float = setting(
        60.0,
        'descriptors of a person who left are forgotten after this time; 0: at once',
        unit='s',
        low=0.0,
        high=3600.0,
        live=True,
    )
    reid_distance: float = setting(
        0.45,
        "face descriptors nearer than this are one person's; higher: more people are known again, and more strangers "
        'taken for them',
        low=0.1,
        high=0.6,
        live=True,
    )
    flow_width: int = setting(
        640, 'pictures are shrunk to about this width to follow faces between detections', unit='px', low=80, high=7680
    )
    crop_size: int = setting(96, 'side of the crop that the network gets', unit='px', low=32, high=512)
    align: bool = setting(True, 'level the eyes in the crops, by landmarks, where their weights are installed')
    crop_margin: float = setting(
        0.15,
        'margin around the face box on each side, as a share of its size; the shipped weights expect the default',
        low=0.0,
        high=1.0,
    )


@dataclass(frozen=True)
class AffectSettings(Settings):
    """Which network reads the faces, and where it runs (`affect_node`)."""

    model: str = setting(
        'smile_va', 'name of an installed checkpoint (see `affect-perception models`), or a path to a .safetensors file'
    )
    tracks_topics: str = setting(
        'face_tracks',
        'face tracks to read, several cameras separated by commas: all faces in one batch; the results of '
        'left/face_tracks are published on left/face_affect',
    )
    device: str = setting('auto', 'auto, cpu, cuda or cuda:N; a device that is absent is an error')
    backend: str = setting(
        'auto',
        'what runs the CNN: torch, torch_bf16, mnn, openvino, openvino_bf16, onnxruntime; auto measures those that '
        'are installed for a moment at start and takes the fastest whose answers agree; fixed takes the first of mnn, '
        'openvino, torch that is installed and agrees, for the same bytes on every run, as offline work does',
    )
    threads: int = setting(0, 'CPU threads of the network; 0 takes half of the cores, 1 to 4', low=0, high=256)
    neutral_baseline: bool = setting(
        False, "learn each new person's neutral face in the first seconds and subtract it from the smile", live=True
    )
    neutral_seconds: float = setting(
        2.0,
        'how long a neutral face is watched, also after the service `~/calibrate_neutral`',
        unit='s',
        low=0.1,
        high=60.0,
        live=True,
    )
