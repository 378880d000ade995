"""ViViT of Hugging Face's transformers (pip install transformers), small and randomly initialised."""

from torch import nn
from transformers import VivitConfig, VivitModel

SMALL = {"image_size": 64, "num_frames": 16, "tubelet_size": [2, 8, 8], "num_channels": 1, "hidden_size": 64}
SMALL |= {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}


class ViViT(nn.Module):
    num_features = 64

    def __init__(self):
        super().__init__()
        self.net = VivitModel(VivitConfig(**SMALL), add_pooling_layer=False)

    def forward(self, video_BCTHW):
        tokens_BSD = self.net(video_BCTHW.transpose(1, 2) * 2 - 1).last_hidden_state[:, 1:]  # without the class token
        return tokens_BSD.unflatten(1, (8, 8, 8))
