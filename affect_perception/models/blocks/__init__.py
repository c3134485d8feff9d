"""Parts that several of the papers share: attention, clip windows, losses and metrics, late fusion."""
