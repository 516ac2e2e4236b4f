"""Facts about the adversarial autoencoders."""

import pytest

from restorekit import testing
from restorekit_aae import AAE, CAAE, AAEConfig

CONFIGS = {
    "default": None,
    "mlp": AAEConfig(network="mlp", hidden=(16,), latent=4, likelihood="gaussian-pixel", discriminator=(24,)),
    "labels": AAEConfig(hidden=(8, 8), latent=3, classes=3, discriminator=(16,)),
}


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("cls", [AAE, CAAE])
def test_the_contract_is_kept(cls, config):
    testing.check_model(cls, CONFIGS[config])
