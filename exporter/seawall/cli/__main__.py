"""``python -m seawall.cli``"""

import sys

from seawall.cli.main import main

sys.exit(main())
