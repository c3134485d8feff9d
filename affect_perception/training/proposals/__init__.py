"""Training of the proposal network (`detectors/proposals`): composed pictures, dlib's scores of them, and the loop."""
