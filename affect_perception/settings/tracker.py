"""Settings of `face_tracker_node`: image and depth topics, detector, tracks, re-identification, crops."""

from __future__ import annotations

from dataclasses import dataclass

from affect_perception.settings.declaration import Settings, setting


@dataclass(frozen=True)
class TrackerSettings(Settings):
    """Settings of face detection, tracking and crops (`face_tracker_node`)."""

    image_topic: str = setting('image', 'topic of sensor_msgs/Image or sensor_msgs/CompressedImage', topic=True)
    image_transport: str = setting(
        'auto',
        'type of image message; auto: the one that is published (before that, compressed if the topic ends in '
        '/compressed); compressed: the topic /compressed beside image_topic, unless image_topic itself is compressed',
        choices=('auto', 'raw', 'compressed'),
    )
    reliable_images: bool = setting(
        False,
        'require reliable delivery of images, for replays that must not lose a frame; false: reliable while every '
        'publisher is, else best effort',
    )
    depth_topic: str = setting(
        'auto',
        'topic of depth aligned to the images (sensor_msgs/Image, 16UC1 in mm or 32FC1 in m), for the 3-D '
        'position of faces; auto: `depth` beside an image topic named `image`, none beside others; empty: none',
        topic=True,
    )
    camera_info_topic: str = setting(
        '',
        'topic of the camera_info of the images, used with depth; empty: `camera_info` beside the image topic',
        topic=True,
    )
    depth_slop_s: float = setting(
        0.05,
        'largest difference between the stamps of an image and its depth; more than one frame period, as aligned '
        'depth may arrive after its image and the previous depth is used then',
        unit='s',
        low=0.0,
        high=1.0,
    )
    detector: str = setting(
        'auto',
        'face detector; auto: dlib_cnn if its weights are installed, else dlib_hog; yunet takes `detector_weights`',
        choices=('auto', 'dlib_cnn', 'dlib_hog', 'yunet', 'dlib_cnn_native'),
        common=True,
    )
    detector_weights: str = setting(
        '',
        'path of mmod_human_face_detector.dat for dlib_cnn, empty: the installed file; of a '
        'face_detection_yunet_*.onnx (OpenCV model zoo, 2023 or later) for yunet',
    )
    detect_device: str = setting('auto', 'device of dlib_cnn: auto, cpu, cuda or cuda:N')
    detect_precision: str = setting(
        'auto',
        'arithmetic of dlib_cnn; auto: the fastest on the device, with equal detections',
        choices=('auto', 'fp32', 'bf16', 'fp16'),
    )
    detect_exhaustive: bool = setting(
        False,
        'dlib_cnn looks at the whole picture; false: on a CPU a small network proposes where a face can be, and '
        "dlib's CNN looks only there, for a third of the CPU time (it finds some turned or half hidden faces later, "
        'see detect_sweep). evaluate and prepare look at the whole picture unless this is false',
    )
    detect_sweep: int = setting(
        36,
        'with proposals, live: number of detections of which dlib_cnn looks at one whole picture, so that a face for '
        'which there is no proposal is found as well; 0: at none',
        unit='detections',
        low=0,
        high=300,
    )
    detect_smallest_px: int = setting(
        0,
        'size of the smallest faces that dlib_cnn looks for; 0: 36 with proposals, 80 in whole pictures. From 72 on '
        'nothing is enlarged; below, proposals have small windows enlarged (36 at least; new faces of that size are '
        'looked for in every third detection), and whole pictures are doubled, below 36 twice, at four times the cost '
        'each',
        unit='px',
        low=0,
        high=1000,
    )
    detect_every: int = setting(
        10, 'frames from one detector run to the next', unit='frames', low=1, high=300, live=True
    )
    detect_period_s: float = setting(
        0.7,
        'time from one detector run to the next where images come so slowly that detect_every images take longer',
        unit='s',
        low=0.0,
        high=60.0,
        live=True,
    )
    detect_inline: bool = setting(
        False, 'wait for the detector on every run instead of running it asynchronously: slower, and deterministic'
    )
    detect_beside: str = setting(
        'auto',
        'where the detector runs asynchronously; auto: a process for a CPU, a thread for a GPU',
        choices=('auto', 'thread', 'process'),
    )
    detect_width: int = setting(
        1280, 'wider images are scaled down to this width for the detector', unit='px', low=160, high=7680
    )
    min_confidence: float = setting(0.0, 'detections of lower confidence are ignored', low=0.0, high=1.0, live=True)
    new_confidence: float = setting(
        0.5,
        'confidence from which a detection starts a track; weaker detections only confirm existing tracks',
        low=0.0,
        high=1.0,
        live=True,
    )
    max_unseen_s: float = setting(
        1.5, 'a track that no detection confirms for this long ends', unit='s', low=0.1, high=60.0, live=True
    )
    max_turned_s: float = setting(
        10.0,
        'a face detected several times that turns away (to profile, say) and is tracked without a gap is kept for this '
        'long without a detection; 0: no longer than others',
        unit='s',
        low=0.0,
        high=600.0,
        live=True,
    )
    max_hidden_s: float = setting(
        0.4,
        'a face that cannot be tracked (occluded, blurred) is still published for this long; one that was seen for '
        'less than 0.5 s, only while its place still looks like it',
        unit='s',
        low=0.0,
        high=5.0,
        live=True,
    )
    keep_lost_s: float = setting(
        3.0,
        'the id of a lost track is given to a face that appears at its place within this time',
        unit='s',
        low=0.0,
        high=60.0,
        live=True,
    )
    reid: str = setting(
        'auto',
        'restore the id of people who return, by face embeddings (re-identification); auto: if the weights are '
        'installed; embeddings stay in memory and are never published or written',
        choices=('auto', 'on', 'off'),
        common=True,
    )
    reid_memory_s: float = setting(
        60.0,
        'embeddings of a person who left are deleted after this time; 0: at once',
        unit='s',
        low=0.0,
        high=3600.0,
        live=True,
    )
    reid_distance: float = setting(
        0.45,
        'embedding distance below which two faces are the same person; higher: more people are recognised, and '
        'more strangers are mistaken for them',
        low=0.1,
        high=0.6,
        live=True,
    )
    flow_width: int = setting(
        640,
        'images are scaled down to about this width for optical flow between detections',
        unit='px',
        low=80,
        high=7680,
    )
    crop_size: int = setting(
        96,
        'side of the face crop, the input of the network; run, graph and evaluate raise it to the size that the model '
        'was trained on',
        unit='px',
        low=32,
        high=512,
    )
    align: bool = setting(
        True, 'rotate crops so that the eyes are level, by landmarks, if the landmark weights are installed'
    )
    crop_margin: float = setting(
        0.15,
        'margin around the face box on each side, relative to the size of the box; the shipped weights expect the'
        ' default',
        low=0.0,
        high=1.0,
    )
