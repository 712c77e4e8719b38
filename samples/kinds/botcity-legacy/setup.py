from setuptools import find_packages, setup

setup(
    name="totals-bot",
    version="1.0.0",
    packages=find_packages(),
    install_requires=open("requirements.txt").read().splitlines(),
)
